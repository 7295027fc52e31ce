package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// Event is an event as the snapshot has it: what other stores are compared with.
type Event struct {
	ID       string
	Event    contract.Event
	Counters contract.Counters
	Version  int64
	Details  int64    // version of the last message about the event itself
	Chain    [][]byte // hash of each message, that of version 1 first, up to the first version that is missing
	RSVPs    map[string]RSVP
}

// RSVP is an RSVP as its last message has it.
type RSVP struct {
	Version   int64
	Status    string
	PartySize int
	CheckedIn int
	Erased    bool
}

// replay is an event while its log is read.
type replay struct {
	Event
	report *Report
	last   contract.Envelope
	rsvps  map[string]said
	sum    contract.Counters
	seats  int                      // going and held after the last message
	read   int64                    // messages
	ledger map[int64][]Acknowledged // by version
}

// said is what the last message about an RSVP said.
type said struct {
	rsvp    contract.RSVP
	version int64
}

const selectLog = `SELECT event_id, version, type, organization_id, valid_at, recorded_at, actor, reason, traceparent, payload,
	hash FROM event_log WHERE event_id = $1 ORDER BY version`

func auditEvent(ctx context.Context, tx pgx.Tx, id string, ledger []Acknowledged, report *Report) (Event, error) {
	r := &replay{Event: Event{ID: id}, report: report, rsvps: map[string]said{}, ledger: map[int64][]Acknowledged{}}
	for _, a := range ledger {
		r.ledger[a.Version] = append(r.ledger[a.Version], a)
	}
	rows, err := tx.Query(ctx, selectLog, id)
	if err != nil {
		return r.Event, err
	}
	defer rows.Close()
	err = pgstore.EachLogRow(rows, func(m *contract.Envelope) { r.step(m) })
	if err != nil {
		return r.Event, err
	}
	for version, told := range r.ledger {
		r.wrong(CheckAcknowledged, version, "RSVP %s was acknowledged, the log ends at %d", told[0].RSVPID, r.Version)
	}
	report.mu.Lock()
	report.Messages += r.read
	report.RSVPs += int64(len(r.rsvps))
	report.mu.Unlock()
	r.RSVPs = make(map[string]RSVP, len(r.rsvps))
	for id, last := range r.rsvps {
		v := last.rsvp
		r.RSVPs[id] = RSVP{last.version, v.Status, v.PartySize, v.CheckedIn, v.Erased}
	}
	return r.Event, r.compare(ctx, tx)
}

func (r *replay) wrong(check string, version int64, format string, args ...any) {
	r.report.Add(check, r.ID, version, format, args...)
}

// step takes the next message of the log.
func (r *replay) step(m *contract.Envelope) {
	if m.Version != r.Version+1 {
		r.wrong(CheckVersions, m.Version, "follows version %d", r.Version)
	}
	if hash := m.ChainHash(r.last.Chain); !bytes.Equal(hash, m.Chain) {
		r.wrong(CheckChain, m.Version, "the hash is not that of the message and its predecessor")
	}
	if m.RecordedAt.Before(r.last.RecordedAt) {
		r.wrong(CheckTimes, m.Version, "recorded at %s, before its predecessor at %s", stamp(m.RecordedAt), stamp(r.last.RecordedAt))
	}
	r.read++
	r.Version = m.Version
	if m.Version == r.read { // nothing is missing so far
		r.Chain = append(r.Chain, m.Chain)
	}
	r.last = contract.Envelope{Chain: m.Chain, RecordedAt: m.RecordedAt}
	defer r.acknowledged(m.Version)
	switch contract.AboutOf(m.Type) {
	case contract.AboutEvent:
		body, err := m.Event()
		if err != nil || body.Event.ID != r.ID {
			r.wrong(CheckPayload, m.Version, "is not a message about this event: %v", err)
			return
		}
		r.Event.Event, r.Details = body.Event, m.Version
		r.count(m, body.Counters)
	case contract.AboutRSVP:
		body, err := m.RSVP()
		if err != nil || body.RSVP.EventID != r.ID {
			r.wrong(CheckPayload, m.Version, "is not a message about an RSVP of this event: %v", err)
			return
		}
		r.move(m, body)
		r.count(m, body.Counters)
	default:
		r.wrong(CheckPayload, m.Version, "unknown type %q", m.Type)
	}
}

// acknowledged compares what clients were told at a version. The message of that version need not be about their RSVP:
// an answer names the last of all that the command brought about.
func (r *replay) acknowledged(version int64) {
	for _, told := range r.ledger[version] {
		switch is, known := r.rsvps[told.RSVPID]; {
		case !known:
			r.wrong(CheckAcknowledged, version, "RSVP %s was acknowledged, the log does not know it then", told.RSVPID)
		case told.Status != "" && told.Status != is.rsvp.Status:
			r.wrong(CheckAcknowledged, version, "RSVP %s was told %s, the log says %s", told.RSVPID, told.Status, is.rsvp.Status)
		}
	}
	delete(r.ledger, version)
}

type move struct{ message, from, to string }

// legal is the table of the rules, by what a message shows.
var legal = func() map[move]bool {
	m := map[move]bool{}
	for _, t := range rsvp.Transitions() {
		for _, from := range t.From {
			to := t.To
			if to == rsvp.Stays {
				to = from
			}
			m[move{t.Message, from, to}] = true
		}
	}
	return m
}()

// move takes an RSVP from its last message to this one.
func (r *replay) move(m *contract.Envelope, body contract.RSVPMessage) {
	before := r.rsvps[body.RSVP.ID].rsvp
	if was := body.Before; was.Status != before.Status || was.PartySize != before.PartySize || was.CheckedIn != before.CheckedIn {
		r.wrong(CheckStates, m.Version, "RSVP %s: the message says it was %+v, its last message that it was %s of %d, %d inside",
			body.RSVP.ID, was, before.Status, before.PartySize, before.CheckedIn)
	}
	if !legal[move{m.Type, before.Status, body.RSVP.Status}] {
		r.wrong(CheckStates, m.Version, "RSVP %s: %s does not lead from %q to %q", body.RSVP.ID, m.Type, before.Status, body.RSVP.Status)
	}
	add(&r.sum, before, -1)
	add(&r.sum, body.RSVP, +1)
	r.rsvps[body.RSVP.ID] = said{rsvp: body.RSVP, version: m.Version}
}

func add(c *contract.Counters, v contract.RSVP, sign int) {
	people := sign * v.PartySize
	switch v.Status {
	case contract.StatusConfirmed:
		c.Going += people
	case contract.StatusMaybe:
		c.Maybe += people
	case contract.StatusWaitlisted:
		c.Waitlisted += people
	case contract.StatusOffered:
		c.Held += people
	}
	c.CheckedIn += sign * v.CheckedIn
}

// count compares a message's counters with the sum, and with the capacity: seats may be more than the capacity only
// where that was lowered below them, and must not grow then.
func (r *replay) count(m *contract.Envelope, said contract.Counters) {
	r.sum.Capacity = r.Event.Event.Capacity
	if !same(said, r.sum) {
		r.wrong(CheckCounters, m.Version, "the message says %s, the RSVPs add up to %s", text(said), text(r.sum))
	}
	seats := r.sum.Going + r.sum.Held
	if left := r.sum.Remaining(); left != nil && *left < 0 && seats > r.seats {
		r.wrong(CheckCapacity, m.Version, "%d seats are taken or held, of %d", seats, *r.sum.Capacity)
	}
	r.seats, r.Counters = seats, r.sum
}

func same(a, b contract.Counters) bool {
	if (a.Capacity == nil) != (b.Capacity == nil) || a.Capacity != nil && *a.Capacity != *b.Capacity {
		return false
	}
	a.Capacity, b.Capacity = nil, nil
	return a == b
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
