package rsvp

import "time"

// CheckIn lets people of a party in. What the door must hear (already inside,
// cancelled, no seat, unknown) is a result in Outcome.CheckIns, not a refusal;
// such a result leaves no message.
type CheckIn struct {
	RSVPID  string
	EntryID string // the device's own id of the scan; the same one again changes nothing
	People  int    // 0: all of the party who are not inside yet
	Device  string
	At      time.Time // zero: now
}

// Needs of the command.
func (c *CheckIn) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
