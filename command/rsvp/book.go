package rsvp

import (
	"math"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// Book is what the rules see of one event and what they did to it. The store
// fills it under the lock, in this order:
//
//  1. NewBook with the event, its counters and version.
//  2. Add for every RSVP that a command's Needs names (by id or by HMAC) and
//     for every offer of the event that is past its time; then Sought(needs) of
//     each command, so that a row that does not exist is told from one that
//     was not looked for.
//  3. seats, all := QueueNeed(commands, now); then Add for that much of the
//     queue; then SetQueue(seats, all). Loading more is never wrong.
//  4. SetWaiting when a command's Needs ask for it.
//
// What it changed is then in Changed, Messages and Revised. Rows that are not
// New must be saved before new ones: the HMAC of an address may move from one
// row to the next.
type Book struct {
	Event    contract.Event
	Counters contract.Counters
	Version  int64

	rows  map[string]*Row // by RSVP id; nil: looked for, not there
	email map[string]*Row // by HMAC of the address; nil: looked for, not there
	queue []*Row          // waitlisted, by QueuedVersion
	// queueSeats: of each party size s, at least the first queueSeats/s
	// waiting parties are in queue.
	queueSeats int
	smallest   int    // nobody in queue has a smaller party; may be too low
	waiting    int    // parties on the whole waitlist; -1 unknown
	offers     []*Row // open, those past their time included
	opened     int64  // Version as stored
	snapshot   *contract.Event

	changed  []*Row  // in the order in which they first changed
	messages []Draft // in the order of their versions
	revised  bool    // Event has changed
	created  bool    // the event is new

	undo undo
}

// Row is an RSVP with what only the write side has of it.
type Row struct {
	RSVP      contract.RSVP
	EmailHMAC []byte // nil: erased, or a walk-in who gave no address
	// WrappedKey is the RSVP's data key, to be stored: set for a new RSVP only.
	WrappedKey []byte
	// DestroyKey asks the store to delete the data key.
	DestroyKey bool
	New        bool
	dirty      bool
	touched    int // the last decision that saved this row for its undoing
}

// Draft is a message before the log gives it its place in the chain.
type Draft struct {
	Type    string
	Version int64
	ValidAt time.Time
	Actor   string
	Reason  string
	Payload any // contract.EventMessage or contract.RSVPMessage
}

// NewBook opens a book on an event as the store has it.
func NewBook(event contract.Event, counters contract.Counters, version int64) *Book {
	b := &Book{
		Event: event, Counters: counters, Version: version,
		rows: map[string]*Row{}, email: map[string]*Row{}, waiting: -1, opened: version,
	}
	if counters.Waitlisted == 0 {
		b.queueSeats, b.waiting = math.MaxInt, 0 // an empty queue is loaded
	}
	return b
}

// Changed gives the rows to be saved, as they are now.
func (b *Book) Changed() []*Row { return b.changed }

// Messages gives the messages to be logged, versions contiguous from the one
// after the version that the book was opened with.
func (b *Book) Messages() []Draft { return b.messages }

// Revised tells whether the event itself must be saved.
func (b *Book) Revised() bool { return b.revised }

// Created tells whether the event is new: insert it, do not update it.
func (b *Book) Created() bool { return b.created }

// Row gives an RSVP of the book, nil when it is not there.
func (b *Book) Row(rsvpID string) *Row { return b.rows[rsvpID] }

// Add puts a stored RSVP into the book; one that is there already is kept.
func (b *Book) Add(r *Row) {
	if b.rows[r.RSVP.ID] != nil {
		return
	}
	b.rows[r.RSVP.ID] = r
	if r.EmailHMAC != nil {
		b.email[string(r.EmailHMAC)] = r
	}
	switch r.RSVP.Status {
	case contract.StatusWaitlisted:
		b.enqueue(r)
	case contract.StatusOffered:
		b.offers = append(b.offers, r)
	}
}

// Sought tells the book that the store was asked for all that n names: what
// was not added does not exist.
func (b *Book) Sought(n Needs) {
	for _, id := range n.RSVPIDs {
		if _, known := b.rows[id]; !known {
			b.rows[id] = nil
		}
	}
	for _, h := range n.EmailHMACs {
		if _, known := b.email[string(h)]; !known {
			b.email[string(h)] = nil
		}
	}
}

// SetQueue tells how much of the queue was added: of each party size s, the
// first seats/s waiting parties by QueuedVersion; or all.
func (b *Book) SetQueue(seats int, all bool) {
	if all {
		seats = math.MaxInt
	}
	b.queueSeats = max(b.queueSeats, seats)
}

// SetWaiting tells how many parties are on the event's whole waitlist.
func (b *Book) SetWaiting(parties int) { b.waiting = parties }

// QueueNeed tells how much of the queue the commands need, given the rows and
// lapsed offers already added: of each party size s from 1 to seats, the first
// seats/s waiting parties by QueuedVersion; or all of it. 0 means none.
//
// It is enough because a party of s takes s seats: of those that are free now
// and those that the batch can set free, no more than seats/s can go to
// parties of that size, and they go to the first of them. A named party that
// leaves the waitlist makes its own place in that prefix up, which is why the
// waiting parties that are named count as well.
func (b *Book) QueueNeed(commands []Command, now time.Time) (seats int, all bool) {
	if b.Counters.Waitlisted == 0 {
		return 0, false
	}
	for _, r := range b.offers {
		if b.lapsed(r, now) {
			seats += r.RSVP.PartySize
		}
	}
	for _, c := range commands {
		n := c.Needs()
		if n.All {
			return 0, true
		}
		for _, id := range n.RSVPIDs {
			if r := b.rows[id]; r != nil {
				seats += r.RSVP.PartySize
			}
		}
	}
	if !b.promotes(now) {
		return 0, false
	}
	free, limited := b.free()
	if !limited {
		return 0, true
	}
	return seats + max(free, 0), false
}
