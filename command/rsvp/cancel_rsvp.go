package rsvp

// CancelRSVP withdraws an answer, by its guest or by a member.
type CancelRSVP struct {
	RSVPID string
	Reason string
}

// Needs of the command.
func (c *CancelRSVP) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
