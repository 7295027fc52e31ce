package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// UndoCheckIn takes back all that let people of an RSVP in until At. Without
// anybody inside it changes nothing.
type UndoCheckIn struct {
	RSVPID  string
	EntryID string
	Device  string
	At      time.Time // zero: now, and after every scan so far
}

// Needs of the command.
func (c *UndoCheckIn) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *UndoCheckIn) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if !by.Member {
			return nil, fault.ErrForbidden
		}
		if err := checkScan("", c.EntryID, c.Device, 0, c.At, now); err != nil {
			return nil, err
		}
		if err := b.doorOpen(); err != nil {
			return nil, err
		}
		r, err := b.find(c.RSVPID)
		if err != nil {
			return nil, err
		}
		if r.RSVP.CheckedIn == 0 || c.EntryID != "" && find(r.RSVP.Door, c.EntryID) != nil {
			return r, nil
		}
		s := contract.Scan{ID: b.scanID(c.EntryID), Device: c.Device, At: scanTime(r, c.At, now), Undo: true}
		return r, b.scan(r, s, by, now)
	})
}
