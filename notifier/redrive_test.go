package notifier

import (
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// redrive hands dead letters of the notifier over, one by one.
func (w *world) redrive(letters ...*message.Message) {
	w.t.Helper()
	for _, m := range letters {
		if err := w.n.Redrive(w.t.Context(), kafkabus.DeadLetter{Group: contract.GroupNotifier, Message: m}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.settle()
}

func (w *world) cancelled() *message.Message {
	return w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status, e.Sequence = contract.EventCancelled, e.Sequence+1 })
}

func (w *world) moved(by time.Duration) *message.Message {
	return w.about(contract.EventRescheduledV1, func(e *contract.Event) {
		e.StartsAt, e.EndsAt, e.Sequence = e.StartsAt.Add(by), e.EndsAt.Add(by), e.Sequence+1
	})
}

// Messages about answers carry no details of the event: they say nothing of a
// cancellation that went to the dead letters before them.
func TestARedrivenCancellationIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	w.counters = contract.Counters{Going: 1}
	lost := w.cancelled()
	w.counters = contract.Counters{Going: 1, CheckedIn: 1}
	w.hear(w.guest("ana", contract.CheckedInV1, contract.StatusConfirmed, nil))
	w.redrive(lost, lost)
	w.expect("ana", "Cancelled: Spring concert")
	if got := w.states("ana"); got["reminder void event-cancelled"] != 2 {
		t.Errorf("%v", got)
	}
	ev, err := w.n.store.Event(t.Context(), w.event.ID)
	if err != nil || ev.Body.Status != contract.EventCancelled || ev.Version != w.version || ev.CheckedIn != 1 {
		t.Errorf("%+v, %v", ev, err)
	}
}

// Guests who answered while nothing was known of the event get what they were
// owed, whichever of its first messages comes back first.
func TestARedrivenEventIsKnownToThoseWhoAnswered(t *testing.T) {
	t.Parallel()
	for _, first := range []int{0, 1} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			lost := []*message.Message{w.about(contract.EventDraftedV1, nil),
				w.about(contract.EventPublishedV1, func(e *contract.Event) { e.Status, e.Sequence = contract.EventPublished, 1 })}
			w.hear(w.going("ana"), w.guest("bo", contract.RSVPDeclinedV1, contract.StatusDeclined, nil))
			w.settle()
			w.expect("ana")
			w.after(time.Hour)
			w.redrive(lost[first], lost[1-first])
			w.expect("ana", "You're going: Spring concert")
			w.at(w.event.StartsAt.Add(-24 * hour))
			w.expect("ana", "Spring concert starts in 24 hours")
			w.expect("bo", "Noted: you can't come to Spring concert")
		})
	}
}

// Of an event that nothing was known of, and that is over when it is, nobody is
// told that they are going.
func TestARedrivenEventThatIsOverTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	lost := w.about(contract.EventPublishedV1, func(e *contract.Event) { e.Status = contract.EventPublished })
	w.hear(w.going("ana"))
	w.settle()
	w.at(w.event.EndsAt.Add(30 * 24 * hour))
	w.redrive(lost)
	w.expect("ana")
	if got := w.states("ana"); got["confirmation void too-late"] != 1 {
		t.Errorf("%v", got)
	}
}

// However many messages of an event were lost, each can come back.
func TestManyLostMessagesComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	var lost []*message.Message
	for i := range 150 {
		lost = append(lost, w.going(fmt.Sprintf("guest%d", i)))
	}
	w.hear(w.going("ana"))
	w.redrive(lost[0], lost[120], lost[149], lost[120])
	for _, i := range []int{0, 120, 149} {
		w.expect(fmt.Sprintf("guest%d", i), "You're going: Spring concert")
	}
}

// Later details of the event say what a lost message did not: that it has
// moved, or was published. The message, when it comes back, takes nothing back.
func TestLaterDetailsMakeUpForLostOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.hear(w.about(contract.EventDraftedV1, nil))
	published := w.about(contract.EventPublishedV1, func(e *contract.Event) { e.Status, e.Sequence = contract.EventPublished, 1 })
	w.hear(w.going("ana"))
	w.hear(w.about(contract.CoverChangedV1, nil))
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	if got := w.states("ana"); got["reminder planned"] != 2 {
		t.Errorf("published: %v", got)
	}
	moved := w.moved(7 * 24 * hour)
	w.hear(w.about(contract.EventEditedV1, func(e *contract.Event) { e.Description = "With an encore" }))
	w.redrive(moved, published)
	w.expect("ana", "Moved: Spring concert")
	if got := w.states("ana"); got["reminder planned"] != 2 || got["reminder void event-moved"] != 2 {
		t.Errorf("moved: %v", got)
	}
	ev, err := w.n.store.Event(t.Context(), w.event.ID)
	if err != nil || ev.Body.Description != "With an encore" || ev.Body.Status != contract.EventPublished {
		t.Errorf("%+v, %v", ev, err)
	}
}

// A webhook hears also of what later messages have overtaken.
func TestAWebhookHearsWhatIsRedriven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner := newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner}))
	r := newReceiver(t, func(int) int { return 204 })
	w.hook(owner, r.URL)
	w.publish()
	lost := w.going("ana")
	w.hear(w.guest("ana", contract.RSVPCancelledV1, contract.StatusCancelled, nil))
	w.untilPosts(r, 3)
	w.redrive(lost, lost)
	if got := w.untilPosts(r, 4); got[3].sequence != "3" {
		t.Errorf("sequence %s", got[3].sequence)
	}
}
