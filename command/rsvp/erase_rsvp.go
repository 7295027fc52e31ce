package rsvp

// EraseRSVP destroys what tells who the guest is. A seat at an event that has
// not started is cancelled first; afterwards the RSVP keeps its state, so that
// the counts stay true.
type EraseRSVP struct {
	RSVPID string
	Reason string
}

// Needs of the command.
func (c *EraseRSVP) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
