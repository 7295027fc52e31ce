package rsvp

// RequestLink has the manage link mailed to the guest's address, at most once
// an hour.
type RequestLink struct {
	RSVPID string
}

// Needs of the command.
func (c *RequestLink) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
