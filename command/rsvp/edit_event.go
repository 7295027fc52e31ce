package rsvp

// EditEvent changes what an event says. Moving it in time or place raises its
// sequence; a changed capacity is a message of its own.
type EditEvent struct {
	Input    EventInput
	Revision int64 // of If-Match; 0: whatever it is
	Limits   Limits
}

// Needs of the command.
func (c *EditEvent) Needs() Needs { return Needs{All: c.Input.mayPromote()} }
