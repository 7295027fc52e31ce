package rsvp

import "time"

// UndoCheckIn takes back all that let people of an RSVP in until now.
type UndoCheckIn struct {
	RSVPID  string
	EntryID string
	Device  string
	At      time.Time // zero: now
}

// Needs of the command.
func (c *UndoCheckIn) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
