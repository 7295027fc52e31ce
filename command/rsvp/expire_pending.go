package rsvp

// ExpirePending ends answers that were not confirmed or approved in time. Those
// of the list that are not pending, or still have time, are left alone.
type ExpirePending struct {
	RSVPIDs []string
}

// Needs of the command.
func (c *ExpirePending) Needs() Needs { return Needs{RSVPIDs: c.RSVPIDs} }
