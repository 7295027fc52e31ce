package rsvp

import "github.com/turnout-events/turnout/internal/contract"

// undo is what the book was before the decision under way, as far as the
// decision has touched it: a refusal puts it back. Queue, offers, changed and
// messages only grow at their end or are replaced whole during a decision, so
// their old slices are enough.
type undo struct {
	decision int
	counters contract.Counters
	version  int64
	waiting  int
	queue    []*Row
	offers   []*Row
	changed  int
	messages int
	revised  bool

	event *contract.Event // nil: not touched
	rows  []savedRow
	names []savedName
}

type savedRow struct {
	row *Row
	was Row
}

// savedName is an entry of one of the book's maps.
type savedName struct {
	in   map[string]*Row
	name string
	was  *Row
}

func (b *Book) begin() {
	u := &b.undo
	u.decision++
	u.counters, u.version, u.waiting = b.Counters, b.Version, b.waiting
	u.queue, u.offers = b.queue, b.offers
	u.changed, u.messages, u.revised = len(b.changed), len(b.messages), b.revised
	u.event, u.rows, u.names = nil, u.rows[:0], u.names[:0]
}

func (b *Book) rollback() {
	u := &b.undo
	b.Counters, b.Version, b.waiting = u.counters, u.version, u.waiting
	b.queue, b.offers = u.queue, u.offers
	b.changed, b.messages, b.revised = b.changed[:u.changed], b.messages[:u.messages], u.revised
	if u.event != nil {
		b.Event, b.snapshot = *u.event, nil
	}
	for _, s := range u.rows {
		*s.row = s.was
	}
	for i := len(u.names) - 1; i >= 0; i-- {
		s := u.names[i]
		s.in[s.name] = s.was
	}
}

// touch announces that a row is about to change, and tells what it was.
func (b *Book) touch(r *Row) contract.Change {
	if r.touched != b.undo.decision {
		b.undo.rows = append(b.undo.rows, savedRow{r, *r})
		r.touched = b.undo.decision
	}
	if !r.dirty {
		r.dirty = true
		b.changed = append(b.changed, r)
	}
	return contract.Change{Status: r.RSVP.Status, PartySize: r.RSVP.PartySize, CheckedIn: r.RSVP.CheckedIn}
}

// name sets an entry of one of the book's maps.
func (b *Book) name(in map[string]*Row, name string, r *Row) {
	b.undo.names = append(b.undo.names, savedName{in, name, in[name]})
	in[name] = r
}

// revise announces that the event is about to change.
func (b *Book) revise() {
	if b.undo.event == nil {
		was := b.Event
		b.undo.event = &was
	}
	b.revised, b.snapshot = true, nil
}
