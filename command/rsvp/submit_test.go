package rsvp

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	opens := start.AddDate(0, 0, -5)
	closes := start.Add(-time.Hour)
	window := func(e *contract.Event) { e.RSVPOpensAt, e.RSVPClosesAt = &opens, closes }
	status := func(s string) func(*contract.Event) { return func(e *contract.Event) { e.Status = s } }
	for _, c := range []struct {
		name     string
		edit     func(*contract.Event)
		at       time.Time
		response string
		party    int
		by       Actor
		want     string
		refused  *fault.Error
	}{
		{name: "going", want: confirmed},
		{name: "maybe", response: contract.Maybe, want: maybe},
		{name: "not going", response: contract.NotGoing, want: declined},
		{name: "as many as fit", party: 5, want: confirmed},
		{name: "more than fit", party: 6, want: waitlisted},
		{name: "more than fit, no waitlist", edit: policy(contract.WaitlistNone), party: 6, refused: ErrEventFull},
		{name: "the largest party", edit: policy(contract.WaitlistOffer), party: 10, want: waitlisted},
		{name: "too large a party", party: 11, refused: errInvalidInput},
		{name: "nobody", party: -1, refused: errInvalidInput},
		{name: "no answer", response: "yes", refused: errInvalidInput},
		{name: "before the window", edit: window, refused: ErrNotOpenYet},
		{name: "as it opens", edit: window, at: opens, want: confirmed},
		{name: "just before it closes", edit: window, at: closes.Add(-time.Microsecond), want: confirmed},
		{name: "as it closes", edit: window, at: closes, refused: ErrClosed},
		{name: "not going, when it is closed", edit: window, at: closes, response: contract.NotGoing, refused: ErrClosed},
		{name: "as the event starts", at: start, refused: ErrClosed},
		{name: "a member before the window", edit: window, by: member, want: confirmed},
		{name: "a walk-in", at: start.Add(time.Hour), by: member, want: confirmed},
		{name: "walk-ins who do not fit", at: start.Add(time.Hour), party: 6, by: member, refused: ErrEventFull},
		{name: "a walk-in as it ends", at: start.Add(3 * time.Hour), by: member, refused: ErrEventEnded},
		{name: "to a draft", edit: status(contract.EventDraft), refused: fault.ErrNotFound},
		{name: "to a draft, by a member", edit: status(contract.EventDraft), by: member, refused: ErrNotPublished},
		{name: "to a cancelled event", edit: status(contract.EventCancelled), refused: ErrEventCancelled},
		{name: "to a cancelled event, by a member", edit: status(contract.EventCancelled), by: member, refused: ErrEventCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.edit == nil {
				c.edit = func(*contract.Event) {}
			}
			w := newWorld(t, 5, c.edit)
			if !c.at.IsZero() {
				w.now = c.at
			}
			if c.response == "" {
				c.response = contract.Going
			}
			if c.by.ID == "" {
				c.by = GuestActor("a")
			}
			if c.refused != nil {
				w.refused(c.refused, submit("a", c.response, c.party), c.by)
				return
			}
			o := w.must(submit("a", c.response, c.party), c.by)
			r := o.RSVP
			if r.Status != c.want || r.PartySize != max(c.party, 1) || r.Response != c.response || r.EventID != "e1" ||
				!r.Consents.At.Equal(w.now) || !r.CreatedAt.Equal(w.now) || o.Version != 1 || o.Event.ID != "e1" {
				t.Fatalf("%+v", o)
			}
			if r.WalkIn != (c.by.Member && !c.at.Before(start)) {
				t.Fatalf("walk-in: %v", r.WalkIn)
			}
			if (c.want == waitlisted) != (o.Position == 1) || (c.want == waitlisted) != (r.QueuedVersion == 1) {
				t.Fatalf("position %d, queued at %d", o.Position, r.QueuedVersion)
			}
		})
	}
}

func TestOnlyAMemberMayLeaveTheAddressOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	for _, id := range []string{"a", "b"} {
		c := submit(id, contract.Going, 1)
		c.EmailHMAC = nil
		w.refused(errInvalidInput, c, GuestActor(id))
		w.must(c, member)
	}
	w.counts(2, 0, 0)
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, policy(contract.WaitlistNone))
	w.going(1, "a")
	w.refused(ErrEventFull, submit("b", contract.Going, 1), GuestActor("b"))
	w.must(&EditEvent{Limits: DefaultLimits(), Input: EventInput{WaitlistPolicy: Some("auto")}}, member)
	w.going(5, "b", "c")
	w.must(&SetCapacity{Limits: DefaultLimits()}, member)
	w.counts(11, 0, 0)
	w.going(10, "d")
	if w.counters.Remaining() != nil {
		t.Fatal("an unlimited event has no remaining seats to tell")
	}
}
