package rsvp

// AcceptOffer takes the seat that is held for a party.
type AcceptOffer struct {
	RSVPID string
}

// Needs of the command.
func (c *AcceptOffer) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
