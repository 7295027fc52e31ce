package seed

import "strconv"

// What a guest does in one step.
const (
	kindAnswer = "answer" // POST …/rsvps
	kindChange = "change" // PATCH /v1/rsvps/{id}
	kindCancel = "cancel" // DELETE /v1/rsvps/{id}
)

// What a guest answers, as the API takes it.
const (
	going    = "going"
	notGoing = "not_going"
)

// Step is one thing that one guest does.
type Step struct {
	Event    string // external id
	Seat     string // tells the guests of one event apart
	Number   int    // the guest's steps, from 0
	Who      Guest
	Kind     string
	Response string
	Party    int
	// Alone is a step whose outcome for the event does not depend on the steps
	// of other guests before it, so that it need not wait for them.
	Alone bool
	// Repeat is an exact repetition of an earlier step: it goes out under the
	// key of that step.
	Repeat bool
}

// key is the step's Idempotency-Key; it covers what the body says, since the
// same key with another body is an error.
func (s *Step) key() string {
	return key("rsvp", s.Event, s.Seat, strconv.Itoa(s.Number), s.Kind, s.Response, strconv.Itoa(s.Party))
}

// lane names what must be done one after the other.
func (s *Step) lane() string {
	if s.Alone {
		return s.Event + "\x00" + s.Seat
	}
	return s.Event
}

// Plan is what the guests of a file do, in order, and what that asks of the
// events beforehand.
type Plan struct {
	Steps []Step
	// Events that no row of the file describes, made up for a trace.
	MadeUp []Row
	// Skipped counts lines of a trace that say nothing new, by reason.
	Skipped map[string]int
}
