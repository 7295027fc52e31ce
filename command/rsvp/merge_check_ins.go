package rsvp

import "time"

// MergeCheckIns adds what a device did without a network. The result depends
// only on the set of entries, not on the order in which devices bring them;
// the same entry again changes nothing. At most MaxEntries.
type MergeCheckIns struct {
	Entries []DoorEntry
}

// Needs of the command.
func (c *MergeCheckIns) Needs() Needs { return Needs{RSVPIDs: c.ids()} }

// MaxEntries is how many entries one MergeCheckIns may carry.
const MaxEntries = 500

// DoorEntry is one scan on a device, or its undoing.
type DoorEntry struct {
	ID     string // the device's own, unique; up to 64 characters
	RSVPID string
	People int // 0: all of the party
	Device string
	At     time.Time // by the device's clock
	Undo   bool
}

func (c *MergeCheckIns) ids() []string {
	ids := make([]string, 0, len(c.Entries))
	for _, e := range c.Entries {
		ids = append(ids, e.RSVPID)
	}
	return ids
}
