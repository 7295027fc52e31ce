package notifier

import (
	"slices"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

const hour = time.Hour

func TestStoryOfAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	start := w.event.StartsAt

	// Two weeks before, Ana answers and Bo comes too late for a seat.
	w.hear(w.going("ana"), w.guest("bo", contract.RSVPWaitlistedV1, contract.StatusWaitlisted, nil))
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	w.expect("bo", "You're on the waitlist: Spring concert")

	// A week before, Ana withdraws, and her seat becomes Bo's.
	w.at(start.Add(-7 * 24 * hour))
	w.hear(w.guest("ana", contract.RSVPCancelledV1, contract.StatusCancelled, nil),
		w.guest("bo", contract.RSVPPromotedV1, contract.StatusConfirmed, nil))
	w.settle()
	w.expect("ana", "Your answer was withdrawn: Spring concert")
	w.expect("bo", "A seat for you: Spring concert")

	// The day before, only who has a seat is reminded.
	w.at(start.Add(-24*hour - time.Second))
	w.expect("bo")
	w.at(start.Add(-24 * hour))
	w.expect("bo", "Spring concert starts in 24 hours")
	w.expect("ana")

	// Half a day before, Cy answers, and gets the reminder that is still ahead.
	w.at(start.Add(-12 * hour))
	w.hear(w.going("cy"))
	w.settle()
	w.expect("cy", "You're going: Spring concert")
	w.at(start.Add(-hour))
	w.expect("bo", "Spring concert starts in 60 minutes")
	w.expect("cy", "Spring concert starts in 60 minutes")

	// Two hours after the end they are thanked; nobody else is.
	w.at(w.event.EndsAt.Add(2*hour - time.Second))
	w.expect("bo")
	w.at(w.event.EndsAt.Add(2 * hour))
	w.expect("bo", "Thank you for coming: Spring concert")
	w.expect("cy", "Thank you for coming: Spring concert")
	w.expect("ana")
}

func TestStoryOfAMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.guest("bo", contract.RSVPMaybeV1, contract.StatusMaybe, nil),
		w.guest("cy", contract.RSVPDeclinedV1, contract.StatusDeclined, nil))
	w.settle()
	for _, name := range []string{"ana", "bo", "cy"} {
		w.ledger.forget(name + "@example.org")
	}
	old := w.event.StartsAt

	// Three days before, the concert moves by a week, and once more a minute later.
	w.at(old.Add(-72 * hour))
	w.hear(w.about(contract.EventRescheduledV1, func(e *contract.Event) {
		e.StartsAt, e.EndsAt, e.Sequence = old.AddDate(0, 0, 7), old.AddDate(0, 0, 7).Add(2*hour), 1
	}))
	w.settle()
	w.expect("ana", "Moved: Spring concert")
	w.expect("bo", "Moved: Spring concert")
	w.expect("cy")
	w.after(20 * time.Second)
	w.hear(w.about(contract.EventRescheduledV1, func(e *contract.Event) { e.Venue.Name, e.Sequence = "Old theatre", 2 }))
	w.settle()
	w.hear(w.about(contract.EventRescheduledV1, func(e *contract.Event) { e.Venue.Name, e.Sequence = "New theatre", 3 }))
	w.settle()
	w.expect("ana")
	w.after(time.Minute)
	w.expect("ana", "Moved: Spring concert")

	// The reminders of the old time never come.
	w.at(old.Add(-24 * hour))
	w.at(old)
	w.expect("ana")
	// Those of the new one do.
	w.at(w.event.StartsAt.Add(-24 * hour))
	w.expect("ana", "Spring concert starts in 24 hours")
	w.expect("bo", "Moved: Spring concert")
	got := w.states("ana")
	for what, n := range map[string]int{
		"reminder void event-moved": 6, "reminder sent": 1, "reminder planned": 1, "event_moved sent": 2, "event_moved void superseded": 1,
	} {
		if got[what] != n {
			t.Errorf("ana has %d × %q, expected %d: %v", got[what], what, n, got)
		}
	}
}

func TestStoryOfACancellation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.guest("bo", contract.RSVPWaitlistedV1, contract.StatusWaitlisted, nil))
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	w.expect("bo", "You're on the waitlist: Spring concert")

	// Cy's answer and the cancellation are seen together: Cy is not told "you're going".
	w.hear(w.going("cy"), w.about(contract.EventCancelledV1, func(e *contract.Event) {
		e.Status, e.CancelReason, e.Sequence = contract.EventCancelled, "The singer is ill", 1
	}))
	w.settle()
	for _, name := range []string{"ana", "bo", "cy"} {
		w.expect(name, "Cancelled: Spring concert")
	}
	// A message about an answer that comes after it says the same, once.
	w.hear(w.going("dee"), w.going("cy"))
	w.settle()
	w.expect("dee", "Cancelled: Spring concert")
	w.expect("cy")
	// Nothing else comes any more.
	w.at(w.event.EndsAt.Add(48 * hour))
	for _, name := range []string{"ana", "bo", "cy", "dee"} {
		w.expect(name)
	}
}

// The link that a guest has just asked for is mailed although the event is
// called off before it goes.
func TestALinkOutlivesTheEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.settle()
	w.ledger.reset()
	w.hear(w.guest("ana", contract.LinkRequestedV1, contract.StatusConfirmed, nil), w.cancelled())
	w.settle()
	got := w.ledger.to("ana@example.org")
	slices.Sort(got)
	if want := []string{"Cancelled: Spring concert", "Your link: Spring concert"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestNewsWithinAMinuteBecomesOneMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()

	// Ana clicks about and ends somewhere else: the first at once, one at the end.
	w.hear(w.going("ana"))
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	w.after(10 * time.Second)
	w.hear(w.guest("ana", contract.RSVPMaybeV1, contract.StatusMaybe, nil))
	w.after(10 * time.Second)
	w.hear(w.guest("ana", contract.RSVPDeclinedV1, contract.StatusDeclined, nil))
	w.after(39 * time.Second)
	w.expect("ana")
	w.after(time.Second)
	w.expect("ana", "Noted: you can't come to Spring concert")

	// Bo comes back to where he was: nothing more.
	w.hear(w.going("bo"))
	w.settle()
	w.hear(w.guest("bo", contract.RSVPMaybeV1, contract.StatusMaybe, nil), w.going("bo"))
	w.after(2 * time.Minute)
	w.expect("bo", "You're going: Spring concert")

	// Cy waits, and is promoted a second later: no quiet time holds back a seat.
	w.hear(w.guest("cy", contract.RSVPWaitlistedV1, contract.StatusWaitlisted, nil))
	w.settle()
	w.after(time.Second)
	w.hear(w.guest("cy", contract.RSVPPromotedV1, contract.StatusConfirmed, nil))
	w.settle()
	w.expect("cy", "You're on the waitlist: Spring concert", "A seat for you: Spring concert")
}

func TestRemindersFollowTheGuestAndTheOrganizer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.event.Reminders = []contract.Duration{contract.Duration(7 * 24 * hour), contract.Duration(2 * hour)}
	w.publish()
	w.hear(w.going("ana"), w.going("bo"), w.guest("cy", contract.RSVPConfirmedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Reminders = false }))
	w.settle()
	for _, name := range []string{"ana", "bo", "cy"} {
		w.ledger.forget(name + "@example.org")
	}
	w.at(w.event.StartsAt.Add(-7 * 24 * hour))
	w.expect("ana", "Spring concert starts in 7 days")
	w.expect("cy")

	// Bo wants none any more, and the organizer adds one of three hours.
	w.hear(w.guest("bo", contract.RSVPChangedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Reminders = false }))
	w.hear(w.about(contract.EventEditedV1, func(e *contract.Event) {
		e.Reminders = []contract.Duration{contract.Duration(3 * hour), contract.Duration(2 * hour)}
	}))
	w.at(w.event.StartsAt.Add(-3 * hour))
	w.expect("ana", "Spring concert starts in 3 hours")
	w.at(w.event.StartsAt.Add(-2 * hour))
	w.expect("ana", "Spring concert starts in 2 hours")
	w.expect("bo", "Spring concert starts in 7 days")
}

func TestOverdueRemindersGoOnlyWhileTheyHelp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.settle()
	w.ledger.forget("ana@example.org")
	// The notifier is down from before the first reminder until 20 minutes before the start.
	w.stop()
	w.clock.Advance(w.event.StartsAt.Add(-20 * time.Minute).Sub(w.clock.Now()))
	w.start()
	w.settle()
	got := w.ledger.to("ana@example.org")
	for _, subject := range got {
		if subject != "Spring concert starts in 20 minutes" {
			t.Errorf("ana got %q", subject)
		}
	}
	if len(got) != 1 {
		t.Errorf("ana got %q, expected one reminder with the time that is left", got)
	}
	w.ledger.forget("ana@example.org")
	// Down again until long after: no reminder, no thanks a month later.
	w.hear(w.going("bo"))
	w.settle()
	w.ledger.forget("bo@example.org")
	w.stop()
	w.clock.Advance(30 * 24 * hour)
	w.start()
	w.settle()
	w.expect("ana")
	w.expect("bo")
	if s := w.states("bo"); s["thank_you void too-late"] != 1 {
		t.Errorf("bo: %v", s)
	}
}

func TestAnErasedGuestGetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	w.ledger.forget("ana@example.org")
	w.ledger.forget("bo@example.org")
	// Ana's message of the erasure has come; of Bo only the key is gone.
	w.hear(w.guest("ana", contract.RSVPErasedV1, contract.StatusCancelled, func(g *contract.RSVP) { g.Erased, g.Sealed = true, nil }))
	w.keys.destroy(w.guests["bo"].ID)
	w.at(w.event.StartsAt.Add(-24 * hour))
	w.at(w.event.StartsAt.Add(-hour))
	w.at(w.event.EndsAt.Add(3 * hour))
	w.expect("ana")
	w.expect("bo")
	if s := w.states("ana"); s["reminder void erased"] != 2 || s["thank_you void erased"] != 1 {
		t.Errorf("ana: %v", s)
	}
	if s := w.states("bo"); s["reminder void erased"] != 2 {
		t.Errorf("bo: %v", s)
	}
	var sealed int
	if err := w.pool.QueryRow(t.Context(), `SELECT length(sealed) FROM notifier.guest WHERE rsvp_id = $1`, w.guests["ana"].ID).Scan(&sealed); err != nil || sealed != 0 {
		t.Errorf("ana's ciphertext is still there: %d bytes, %v", sealed, err)
	}
}

func TestThanksGoToThoseWhoCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.event.Reminders = []contract.Duration{}
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	w.ledger.forget("ana@example.org")
	w.ledger.forget("bo@example.org")
	w.at(w.event.StartsAt)
	w.counters.CheckedIn = 1
	w.hear(w.guest("ana", contract.CheckedInV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.CheckedIn = 1 }))
	w.at(w.event.EndsAt.Add(2 * hour))
	w.expect("ana", "Thank you for coming: Spring concert")
	w.expect("bo")
}

func TestOffersAndPendingAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	deadline := w.clock.Now().Add(24 * hour)
	// Ana has to confirm her address, and does so within the quiet time.
	w.hear(w.guest("ana", contract.RSVPRequestedV1, contract.StatusPending, func(g *contract.RSVP) {
		g.AddressConfirmed, g.PendingExpiresAt = false, &deadline
	}))
	w.settle()
	w.after(10 * time.Second)
	w.hear(w.guest("ana", contract.RSVPConfirmedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.AddressConfirmed = true }))
	w.settle()
	w.expect("ana", "Please confirm your address: Spring concert", "You're going: Spring concert")
	// Bo is offered a seat, lets it lapse; Cy never confirms.
	w.hear(w.guest("bo", contract.RSVPWaitlistedV1, contract.StatusWaitlisted, nil),
		w.guest("cy", contract.RSVPRequestedV1, contract.StatusPending, func(g *contract.RSVP) { g.AddressConfirmed, g.PendingExpiresAt = false, &deadline }))
	w.after(2 * time.Minute)
	w.hear(w.guest("bo", contract.RSVPOfferedV1, contract.StatusOffered, func(g *contract.RSVP) { g.OfferExpiresAt = &deadline }))
	w.settle()
	w.at(deadline.Add(time.Minute))
	w.hear(w.guest("bo", contract.RSVPOfferLapsedV1, contract.StatusCancelled, nil),
		w.guest("cy", contract.RSVPExpiredV1, contract.StatusCancelled, nil))
	w.settle()
	w.expect("bo", "You're on the waitlist: Spring concert", "A seat is held for you: Spring concert",
		"The held seat has gone to the next: Spring concert")
	w.expect("cy", "Please confirm your address: Spring concert", "Your answer has lapsed: Spring concert")
	// The link comes however often it is asked for: command sees to how often.
	w.hear(w.guest("ana", contract.LinkRequestedV1, contract.StatusConfirmed, nil))
	w.settle()
	w.expect("ana", "Your link: Spring concert")
}
