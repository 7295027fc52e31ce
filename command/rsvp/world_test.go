package rsvp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is a store: it loads books exactly as Book asks for it, no row more,
// and saves what they changed. It knows nothing of the rules.
type world struct {
	t        failer
	event    contract.Event
	counters contract.Counters
	version  int64
	rows     map[string]Row
	log      []Draft
	now      time.Time
	// whole loads everything there is, as a store without limits would.
	whole bool

	audited  int // messages of log
	replayed map[string]contract.RSVP
	taken    int // going and held at the last message
}

var (
	member = MemberActor("m1")
	system = SystemActor("test")
	start  = time.Date(2027, 6, 1, 17, 0, 0, 0, time.UTC)
)

// newWorld has a published event ten days ahead with room for that many
// people (negative: unlimited).
func newWorld(t failer, capacity int, edit ...func(*contract.Event)) *world {
	w := &world{t: t, rows: map[string]Row{}, replayed: map[string]contract.RSVP{}, now: start.AddDate(0, 0, -10)}
	w.event = contract.Event{
		ID: "e1", OrganizationID: "o1", Slug: "e", Status: contract.EventPublished, Title: "Evening",
		StartsAt: start, EndsAt: start.Add(3 * time.Hour), TimeZone: "Europe/Berlin",
		Tags: []string{}, Questions: []contract.Question{}, MaxParty: 10,
		WaitlistPolicy: contract.WaitlistAuto, OfferTTL: contract.Duration(time.Hour),
		Visibility: contract.VisibilityPublic, RSVPClosesAt: start, RetentionDays: 365, Revision: 1,
		Reminders: []contract.Duration{},
	}
	if capacity >= 0 {
		w.event.Capacity = &capacity
	}
	for _, e := range edit {
		e(&w.event)
	}
	if w.event.Status != contract.EventDraft {
		w.event.PublishedAt = ptr(w.now)
	}
	w.counters.Capacity = w.event.Capacity
	return w
}

// policy makes an event use a waitlist policy.
func policy(p string) func(*contract.Event) {
	return func(e *contract.Event) { e.WaitlistPolicy = p }
}

// load opens a book for the commands by the protocol of Book.
func (w *world) load(commands ...Command) *Book {
	b := NewBook(w.event, w.counters, w.version)
	for _, c := range commands {
		n := c.Needs()
		for _, id := range n.RSVPIDs {
			if r, there := w.rows[id]; there {
				b.Add(&r)
			}
		}
		for _, h := range n.EmailHMACs {
			for _, r := range w.rows {
				if r.EmailHMAC != nil && string(r.EmailHMAC) == string(h) {
					b.Add(&r)
				}
			}
		}
		b.Sought(n)
		if n.Waiting || w.whole {
			b.SetWaiting(len(w.queue()))
		}
	}
	for _, r := range w.rows {
		if r.RSVP.Status == offered && (w.whole || !w.now.Before(*r.RSVP.OfferExpiresAt) || !w.now.Before(w.event.StartsAt)) {
			b.Add(&r)
		}
	}
	seats, all := b.QueueNeed(commands, w.now)
	if w.whole {
		all = true
	}
	taken := map[int]int{}
	for _, r := range w.queue() {
		size := r.RSVP.PartySize
		if all || taken[size] < seats/size {
			taken[size]++
			b.Add(&r)
		}
	}
	b.SetQueue(seats, all)
	return b
}

func (w *world) queue() []Row {
	var q []Row
	for _, r := range w.rows {
		if r.RSVP.Status == waitlisted {
			q = append(q, r)
		}
	}
	slices.SortFunc(q, func(a, b Row) int { return int(a.RSVP.QueuedVersion - b.RSVP.QueuedVersion) })
	return q
}

// save keeps what a book changed, and checks it as the database would.
func (w *world) save(b *Book) {
	w.t.Helper()
	for i, d := range b.Messages() {
		if d.Version != w.version+int64(i)+1 {
			w.t.Fatalf("version %d after %d: not contiguous", d.Version, w.version+int64(i))
		}
	}
	w.version = b.Version
	w.log = append(w.log, b.Messages()...)
	w.counters = b.Counters
	if b.Revised() {
		w.event = b.Event
	} else if !reflect.DeepEqual(w.event, b.Event) {
		w.t.Fatalf("the event changed without being Revised")
	}
	for _, r := range b.Changed() {
		c := *r
		c.New, c.dirty, c.touched, c.WrappedKey, c.DestroyKey = false, false, 0, nil, false
		w.rows[c.RSVP.ID] = c
	}
	addresses := map[string]string{}
	for id, r := range w.rows {
		if r.EmailHMAC == nil {
			continue
		}
		if other, taken := addresses[string(r.EmailHMAC)]; taken {
			w.t.Fatalf("%s and %s have the same address", id, other)
		}
		addresses[string(r.EmailHMAC)] = id
	}
	w.audit()
}

// do runs one command in a book of its own.
func (w *world) do(c Command, by Actor) (Outcome, error) {
	w.t.Helper()
	b := w.load(c)
	before := picture(b)
	o, err := c.Decide(b, by, w.now)
	if err != nil {
		if got := picture(b); !reflect.DeepEqual(before, got) {
			w.t.Fatalf("%T refused (%v) but changed the book:\n%+v\n%+v", c, err, before, got)
		}
		if fault.As(err) == nil {
			w.t.Fatalf("%T: internal: %v", c, err)
		}
		return o, err
	}
	w.save(b)
	return o, nil
}

// must is do for what has to succeed.
func (w *world) must(c Command, by Actor) Outcome {
	w.t.Helper()
	o, err := w.do(c, by)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return o
}

// refused is do for what has to be refused.
func (w *world) refused(want *fault.Error, c Command, by Actor) *fault.Error {
	w.t.Helper()
	_, err := w.do(c, by)
	if !errors.Is(err, want) {
		w.t.Fatalf("%T: got %v, want %s", c, err, want.Slug)
	}
	return fault.As(err)
}

func (w *world) status(id string, want string) {
	w.t.Helper()
	if got := w.rows[id].RSVP.Status; got != want {
		w.t.Fatalf("%s is %q, want %q", id, got, want)
	}
}

func (w *world) counts(going, waiting, held int) {
	w.t.Helper()
	if c := w.counters; c.Going != going || c.Waitlisted != waiting || c.Held != held {
		w.t.Fatalf("going %d, waitlisted %d, held %d; want %d, %d, %d", c.Going, c.Waitlisted, c.Held, going, waiting, held)
	}
}

// types gives the names of the messages since a version.
func (w *world) types(since int64) []string {
	var t []string
	for _, d := range w.log {
		if d.Version > since {
			t = append(t, d.Type)
		}
	}
	return t
}

// submit is the answer of a guest whose address is their id.
func submit(id, response string, party int) *SubmitRSVP {
	return &SubmitRSVP{
		RSVPID: id, EmailHMAC: []byte("hmac of " + id), WrappedKey: []byte("key"), Sealed: []byte("sealed " + id),
		Response: response, PartySize: party, Locale: "en", Reminders: true,
	}
}

// going lets guests come, one after the other, each with the party given.
func (w *world) going(party int, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.must(submit(id, contract.Going, party), GuestActor(id))
	}
}

func change(id, response string) *ChangeRSVP { return &ChangeRSVP{RSVPID: id, Response: &response} }

func resize(id string, party int) *ChangeRSVP { return &ChangeRSVP{RSVPID: id, PartySize: &party} }

func (w *world) cancel(id string) {
	w.t.Helper()
	w.must(&CancelRSVP{RSVPID: id}, GuestActor(id))
}

func (w *world) setCapacity(people int) {
	w.t.Helper()
	w.must(&SetCapacity{Capacity: &people, Limits: DefaultLimits()}, member)
}

// audit replays what the log has since the last audit: it must be legal at
// every version and end where the rows are.
func (w *world) audit() {
	w.t.Helper()
	if got, want := w.counters, Recount(w.event.Capacity, w.all()); !reflect.DeepEqual(got, want) {
		w.t.Fatalf("counters %s, but the rows come to %s", show(got), show(want))
	}
	for _, d := range w.log[w.audited:] {
		var c contract.Counters
		switch m := d.Payload.(type) {
		case contract.EventMessage:
			c = m.Counters
			if !sameNumber(m.Event.Capacity, c.Capacity) {
				w.t.Fatalf("version %d: event and counters disagree on the capacity", d.Version)
			}
		case contract.RSVPMessage:
			c = m.Counters
			was := w.replayed[m.RSVP.ID]
			if was.Status != m.Before.Status || was.PartySize != m.Before.PartySize || was.CheckedIn != m.Before.CheckedIn {
				w.t.Fatalf("version %d: before is %+v, but it was %+v", d.Version, m.Before, was)
			}
			w.legal(d, m, was)
			w.replayed[m.RSVP.ID] = m.RSVP
		}
		if taken := c.Going + c.Held; c.Capacity != nil && taken > *c.Capacity && taken > w.taken {
			w.t.Fatalf("version %d: oversold: %s", d.Version, show(c))
		}
		w.taken = c.Going + c.Held
	}
	w.audited = len(w.log)
	for id, r := range w.rows {
		if m, told := w.replayed[id]; !told || !reflect.DeepEqual(m, r.RSVP) {
			w.t.Fatalf("%s differs from its last message:\n%+v\n%+v", id, r.RSVP, m)
		}
	}
}

var table = Transitions()

func (w *world) legal(d Draft, m contract.RSVPMessage, was contract.RSVP) {
	w.t.Helper()
	for _, t := range table {
		to := t.To
		if to == Stays {
			to = was.Status
		}
		if t.Message == d.Type && slices.Contains(t.From, was.Status) && to == m.RSVP.Status {
			return
		}
	}
	w.t.Fatalf("version %d: %s from %q to %q is not in the table", d.Version, d.Type, was.Status, m.RSVP.Status)
}

func (w *world) all() []contract.RSVP {
	var all []contract.RSVP
	for _, r := range w.rows {
		all = append(all, r.RSVP)
	}
	return all
}

func show(c contract.Counters) string {
	capacity := "∞"
	if c.Capacity != nil {
		capacity = fmt.Sprint(*c.Capacity)
	}
	return fmt.Sprintf("{capacity %s going %d maybe %d waitlisted %d held %d in %d}",
		capacity, c.Going, c.Maybe, c.Waitlisted, c.Held, c.CheckedIn)
}

// picture is everything of a book that a refusal must leave alone.
func picture(b *Book) map[string]any {
	p := map[string]any{
		"event": b.Event, "counters": b.Counters, "version": b.Version, "waiting": b.waiting,
		"revised": b.revised, "created": b.created, "queueSeats": b.queueSeats,
		"messages": append([]Draft{}, b.messages...),
	}
	for id, r := range b.rows {
		if r == nil {
			p["row "+id] = nil
			continue
		}
		p["row "+id] = *r
	}
	for h, r := range b.email {
		p["email "+h] = r
	}
	ids := func(rows []*Row) []string {
		s := []string{}
		for _, r := range rows {
			s = append(s, r.RSVP.ID)
		}
		return s
	}
	p["queue"], p["offers"], p["changed"] = ids(b.queue), ids(b.offers), ids(b.changed)
	return p
}

var errInvalidInput = fault.ErrInvalid

func ptr[T any](v T) *T { return &v }

func hmacOf(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
