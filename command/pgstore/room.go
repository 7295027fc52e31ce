package pgstore

import (
	"slices"

	"github.com/jackc/pgx/v5"
)

// scratch is memory of a connection for the arrays of one statement, and for the messages of one batch. pgx writes both into
// new memory each time, which grew a dozen times to half a megabyte: half of all that the command role allocated. A
// connection is one caller's at a time, a statement's arrays are copied into its message before the next one's are written,
// and a batch's messages are with the kernel before the next batch begins.
type scratch struct {
	arrays, messages []byte
}

const (
	roomForBatch = 2 << 10 // begin, lock, commit
	roomForRow   = 2200    // an RSVP, its key, its answer and its message, without answers to questions
)

// grow gives buf with room for n bytes more, in the connection's memory for arrays. What is there of the same statement
// is how buf begins, so writing it anew changes nothing.
func (s *scratch) grow(buf []byte, n int) []byte {
	if cap(buf)-len(buf) >= n {
		return buf
	}
	if len(buf)+n > cap(s.arrays) {
		s.arrays = make([]byte, 0, 2*(len(buf)+n))
	}
	return append(s.arrays[:0], buf...)
}

// makeRoom makes a connection's buffer as large as the batch behind it needs.
func (s *scratch) makeRoom(conn *pgx.Conn, rows int) {
	s.messages = slices.Grow(s.messages[:0], roomForBatch+rows*roomForRow)
	conn.PgConn().Frontend().Send(room(s.messages))
}

// room is a message of no bytes that brings its memory along.
type room []byte

// Encode writes nothing. Like the others it is of pgproto3.FrontendMessage.
func (r room) Encode(buf []byte) ([]byte, error) { return append(r[:0], buf...), nil }

// Decode is never called: it is a message to the server only.
func (room) Decode([]byte) error { return nil }

// Frontend marks who sends it.
func (room) Frontend() {}
