package rsvp

import "github.com/turnout-events/turnout/internal/contract"

// SetCover gives an event its picture, or takes it away (nil).
type SetCover struct {
	Cover    *contract.Cover
	Revision int64 // of If-Match; 0: whatever it is
}

// Needs of the command.
func (c *SetCover) Needs() Needs { return Needs{} }
