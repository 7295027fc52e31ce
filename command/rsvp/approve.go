package rsvp

// Approve lets a guest in whom the organizer has to approve: to a seat or to
// the queue, as it is now.
type Approve struct {
	RSVPID string
}

// Needs of the command.
func (c *Approve) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true} }
