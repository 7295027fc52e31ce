package notice

import (
	"errors"
	"fmt"
	"time"
)

// What a channel can say instead of "done". Words are stored and shown, so
// they name no address and quote no reply.

// ErrUnreachable means that the other side could not be asked. Nothing was
// handed over: the notice goes back as if it had not been tried.
var ErrUnreachable = errors.New("unreachable")

// ErrInDoubt means that the connection was lost while the other side may have
// taken it: sending again may double, not sending may lose. It is sent again, twice at
// most.
var ErrInDoubt = errors.New("connection lost before the answer")

// Refusal is an answer that says no.
type Refusal struct {
	Permanent bool
	Words     string // "smtp 550 5.1.1"
}

func (r *Refusal) Error() string { return r.Words }

// Later means that the notice was not tried because something limits how much
// may go now: a rate per recipient domain.
type Later struct{ After time.Duration }

func (l *Later) Error() string { return fmt.Sprintf("not before %s", l.After) }

// Impossible means that the notice can never be delivered; Reason says why it
// becomes void.
type Impossible struct{ Reason string }

func (i *Impossible) Error() string { return fmt.Sprintf("impossible: %s", i.Reason) }
