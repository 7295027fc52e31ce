package rsvp

// ConfirmAddress is the guest's proof that the address is theirs. What the
// RSVP becomes is decided now: a place in the queue counts from here.
type ConfirmAddress struct {
	RSVPID string
}

// Needs of the command.
func (c *ConfirmAddress) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true} }
