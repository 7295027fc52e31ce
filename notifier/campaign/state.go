package campaign

import (
	"fmt"

	"github.com/turnout-events/turnout/internal/fault"
)

// State of a campaign. States are stored and shown: renaming one makes its
// rows unreadable.
type State string

// The states. Cancelled and Done are final.
const (
	Draft     State = "draft"
	Scheduled State = "scheduled" // starts by itself at its time
	Running   State = "running"   // mail is planned and goes out
	Paused    State = "paused"    // what has not gone waits
	Cancelled State = "cancelled" // what had not gone is void
	Done      State = "done"
)

// Action is what a member asks for.
type Action string

// The actions.
const (
	Start  Action = "start"
	Pause  Action = "pause"
	Resume Action = "resume"
	Cancel Action = "cancel"
)

var moves = map[Action]struct {
	from []State
	to   State
}{
	Start:  {[]State{Draft, Scheduled}, Running},
	Pause:  {[]State{Running}, Paused},
	Resume: {[]State{Paused}, Running},
	Cancel: {[]State{Draft, Scheduled, Running, Paused}, Cancelled},
}

// ErrState means that the campaign cannot do that as it stands.
var ErrState = fault.New(fault.Conflict, "campaign-state", "The campaign cannot do that as it stands")

// Next is the state after an action. An action that is done already changes
// nothing, so that asking twice is as good as once.
func Next(now State, a Action) (State, error) {
	move := moves[a]
	for _, from := range move.from {
		if now == from {
			return move.to, nil
		}
	}
	if now == move.to && now != Done {
		return now, nil
	}
	return now, ErrState.Detailf("It is %s; to %s it, it must be %s.", now, a, oneOf(move.from))
}

func oneOf(states []State) string {
	text := ""
	for i, s := range states {
		switch {
		case i > 0 && i == len(states)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += fmt.Sprint(s)
	}
	return text
}
