package rsvp

// Reject turns a guest down who waits for the organizer's approval.
type Reject struct {
	RSVPID string
	Reason string
}

// Needs of the command.
func (c *Reject) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
