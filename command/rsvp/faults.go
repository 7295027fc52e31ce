package rsvp

import (
	"errors"
	"fmt"

	"github.com/turnout-events/turnout/internal/fault"
)

// The refusals. Slugs leave the process: renaming one breaks clients.
var (
	ErrEventFull       = fault.New(fault.Conflict, "event-full", "All seats are taken")
	ErrNotEnoughSeats  = fault.New(fault.Conflict, "not-enough-seats", "There are not that many seats left")
	ErrAlreadyAnswered = fault.New(fault.Conflict, "already-answered", "This address has answered already")
	ErrWrongState      = fault.New(fault.Conflict, "wrong-state", "This cannot be done in the present state")
	ErrOfferLapsed     = fault.New(fault.Conflict, "offer-lapsed", "The seat was held for you, but its time is over")
	ErrPendingExpired  = fault.New(fault.Conflict, "pending-expired", "This answer was not confirmed in time")
	ErrCheckedIn       = fault.New(fault.Conflict, "checked-in", "Somebody of the party is inside already")
	ErrNotOpenYet      = fault.New(fault.Conflict, "rsvp-not-open", "Answers are not taken yet")
	ErrClosed          = fault.New(fault.Conflict, "rsvp-closed", "Answers are no longer taken")
	ErrEventChanged    = fault.New(fault.Conflict, "event-changed", "The event was changed while the answer was checked")
	ErrNotPublished    = fault.New(fault.Conflict, "event-not-published", "The event is not published")
	ErrEventCancelled  = fault.New(fault.Conflict, "event-cancelled", "The event is cancelled")
	ErrEventEnded      = fault.New(fault.Conflict, "event-ended", "The event is over")
	ErrNotStarted      = fault.New(fault.Conflict, "event-not-started", "The event has not started yet")
	ErrStale           = fault.New(fault.Conflict, "changed-meanwhile", "The answer was changed meanwhile")
	ErrRevision        = fault.New(fault.Precondition, "revision-mismatch", "The event was edited meanwhile")
	ErrErased          = fault.New(fault.Gone, "erased", "The personal data of this answer was erased")
	ErrLinkSent        = fault.New(fault.TooMany, "link-sent", "The link was sent a short while ago")
)

// Answered is the cause inside ErrAlreadyAnswered: whose manage link the
// caller asks for with RequestLink. It never goes into an answer.
type Answered struct{ RSVPID string }

func (a *Answered) Error() string { return "answered by " + a.RSVPID }

// errNotLoaded is a mistake of ours, not of a client: a command met a row or a
// part of the queue that its Needs did not name.
var errNotLoaded = errors.New("not in the book")

func notLoaded(what, id string) error { return fmt.Errorf("%s %q: %w", what, id, errNotLoaded) }

// invalid is a complaint about one member of the input.
func invalid(pointer, format string, args ...any) error {
	return fault.ErrInvalid.About(fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// maxReason is in characters.
const maxReason = 1000

func checkReason(reason string) error {
	if f := checkText("/reason", reason, 0, maxReason, manyLines); f != nil {
		return fault.ErrInvalid.About(*f)
	}
	return nil
}
