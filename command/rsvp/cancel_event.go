package rsvp

// CancelEvent calls an event off: one message, RSVPs keep their state.
type CancelEvent struct {
	Revision int64 // of If-Match; 0: whatever it is
	Reason   string
}

// Needs of the command.
func (c *CancelEvent) Needs() Needs { return Needs{} }
