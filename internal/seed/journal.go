package seed

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Journal is a local file of what is loaded already: a line per thing done. It
// only saves work: without it a second run asks the API again, which knows
// events by their external id and answers by their key. But keys are kept for
// 24 hours, and only the journal remembers manage tokens longer than that.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	out    *bufio.Writer
	events map[string]loaded
	seats  map[seatID]handle
	head   journalHead
	err    error
}

// journalHead says what the file is about; another load starts a new one.
type journalHead struct {
	Load  string `json:"load"` // server, account, file and answers, hashed
	Weeks int    `json:"weeks"`
}

type seatID struct{ event, seat string }

// handle is what it takes to change an answer.
type handle struct {
	RSVP  string
	Token string
	Done  int // steps
	// Refused is the first answer's end in this run; it is not written down.
	Refused bool
}

// loaded is an event that the API has.
type loaded struct {
	ID        string
	Slug      string
	Cancelled bool
}

type journalLine struct {
	// Head stands on the first line alone.
	Head      *journalHead `json:"head,omitempty"`
	Event     string       `json:"event,omitempty"`
	ID        string       `json:"id,omitempty"`
	Slug      string       `json:"slug,omitempty"`
	Cancelled bool         `json:"cancelled,omitempty"`
	Seat      string       `json:"seat,omitempty"`
	RSVP      string       `json:"rsvp,omitempty"`
	Token     string       `json:"token,omitempty"`
	Done      int          `json:"done,omitempty"`
}

// OpenJournal reads what a run of the same load left and appends to it. The
// file has manage tokens in it: 0600. An empty path keeps all in memory.
func OpenJournal(path string, head journalHead) (*Journal, error) {
	j := &Journal{events: map[string]loaded{}, seats: map[seatID]handle{}, head: head, out: bufio.NewWriter(io.Discard)}
	if path == "" {
		return j, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("making room for the state file: %w", err)
	}
	ours, err := j.read(path)
	if err != nil {
		return nil, fmt.Errorf("reading the state file: %w", err)
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !ours {
		flags |= os.O_TRUNC
	}
	if j.file, err = os.OpenFile(path, flags, 0o600); err != nil {
		return nil, fmt.Errorf("opening the state file: %w", err)
	}
	j.out = bufio.NewWriterSize(j.file, 64<<10)
	if ours {
		// A kill may have left half a line; what follows must not join it.
		_, j.err = j.out.WriteString("\n")
	} else {
		j.write(journalLine{Head: &j.head})
	}
	return j, nil
}

// read takes over what stands in the file and says whether it is this load's.
// A torn last line, left by a kill, is passed over.
func (j *Journal) read(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for first := true; lines.Scan(); first = false {
		var l journalLine
		err := json.Unmarshal(lines.Bytes(), &l)
		if first && (err != nil || l.Head == nil || l.Head.Load != j.head.Load) {
			return false, nil
		}
		switch {
		case err != nil:
		case first:
			j.head.Weeks = l.Head.Weeks
		case l.Seat != "":
			j.seats[seatID{l.Event, l.Seat}] = handle{RSVP: l.RSVP, Token: l.Token, Done: l.Done}
		case l.Event != "":
			j.events[l.Event] = loaded{ID: l.ID, Slug: l.Slug, Cancelled: l.Cancelled}
		}
	}
	return len(j.events) > 0, lines.Err()
}

func (j *Journal) write(l journalLine) {
	b, err := json.Marshal(l)
	if err == nil {
		_, err = j.out.Write(append(b, '\n'))
	}
	j.err = errors.Join(j.err, err)
}

func (j *Journal) event(id string) (loaded, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.events[id]
	return e, ok
}

func (j *Journal) setEvent(id string, e loaded) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events[id] = e
	j.write(journalLine{Event: id, ID: e.ID, Slug: e.Slug, Cancelled: e.Cancelled})
}

func (j *Journal) seat(event, seat string) handle {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seats[seatID{event, seat}]
}

func (j *Journal) setSeat(event, seat string, h handle) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seats[seatID{event, seat}] = h
	j.write(journalLine{Event: event, Seat: seat, RSVP: h.RSVP, Token: h.Token, Done: h.Done})
}

func (j *Journal) refuse(event, seat string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seats[seatID{event, seat}] = handle{Refused: true}
}

// flush hands what was written to the system, so that a killed run has lost at
// most what came after the last flush; that is only done again.
func (j *Journal) flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = errors.Join(j.err, j.out.Flush())
	return j.err
}

// keep flushes every so often until stop is closed.
func (j *Journal) keep(every time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			// The error stays in j.err and is told by Close.
			_ = j.flush()
		}
	}
}

// Close writes the rest.
func (j *Journal) Close() error {
	err := j.flush()
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	return nil
}
