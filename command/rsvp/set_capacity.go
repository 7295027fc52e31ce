package rsvp

// SetCapacity changes how many people fit. Lowering it throws nobody out;
// raising it promotes.
type SetCapacity struct {
	Capacity *int  // people; nil: unlimited
	Revision int64 // of If-Match; 0: whatever it is
	Limits   Limits
}

// Needs of the command.
func (c *SetCapacity) Needs() Needs { return Needs{All: true} }
