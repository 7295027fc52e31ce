package rsvp

// PublishEvent opens a draft to its guests.
type PublishEvent struct {
	Revision int64 // of If-Match; 0: whatever it is
}

// Needs of the command.
func (c *PublishEvent) Needs() Needs { return Needs{} }
