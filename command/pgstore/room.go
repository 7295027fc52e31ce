package pgstore

import (
	"slices"

	"github.com/jackc/pgx/v5"
)

// room is a message of no bytes that makes a connection's buffer as large as the batch behind it needs. pgx writes every
// batch into a new kilobyte, which grew a dozen times to half a megabyte: a quarter of all that the command role allocated.
type room int

const (
	roomForBatch = 2 << 10 // begin, lock, commit
	roomForRow   = 2200    // an RSVP, its key, its answer and its message, without answers to questions
)

func makeRoom(conn *pgx.Conn, rows int) {
	conn.PgConn().Frontend().Send(room(roomForBatch + rows*roomForRow))
}

// Encode writes nothing. Like the others it is of pgproto3.FrontendMessage.
func (n room) Encode(buf []byte) ([]byte, error) { return slices.Grow(buf, int(n)), nil }

// Decode is never called: it is a message to the server only.
func (room) Decode([]byte) error { return nil }

// Frontend marks who sends it.
func (room) Frontend() {}
