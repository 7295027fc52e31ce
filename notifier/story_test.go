package notifier

import (
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
