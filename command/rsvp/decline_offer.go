package rsvp

// DeclineOffer gives the held seat back; the next who fits gets it.
type DeclineOffer struct {
	RSVPID string
}

// Needs of the command.
func (c *DeclineOffer) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
