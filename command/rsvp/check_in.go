package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

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

// Decide applies the command.
func (c *CheckIn) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	var result CheckInResult
	o, err := b.decide(now, func(now time.Time) (r *Row, err error) {
		r, result, err = c.apply(b, by, now)
		return r, err
	})
	if err == nil {
		o.CheckIns = []CheckInResult{result}
	}
	return o, err
}

func (c *CheckIn) apply(b *Book, by Actor, now time.Time) (*Row, CheckInResult, error) {
	result := CheckInResult{EntryID: c.EntryID, RSVPID: c.RSVPID, Outcome: Unknown}
	if !by.Member {
		return nil, result, fault.ErrForbidden
	}
	if err := checkScan("", c.EntryID, c.Device, c.People, c.At, now); err != nil {
		return nil, result, err
	}
	if err := b.doorOpen(); err != nil {
		return nil, result, err
	}
	r, sought := b.rows[c.RSVPID]
	switch {
	case !sought:
		return nil, result, notLoaded("RSVP", c.RSVPID)
	case r == nil:
		return nil, result, nil
	}
	result.CheckedIn, result.PartySize = r.RSVP.CheckedIn, r.RSVP.PartySize
	left := r.RSVP.PartySize - r.RSVP.CheckedIn
	switch {
	case r.RSVP.Status == cancelled:
		result.Outcome = Cancelled
		return r, result, nil
	case r.RSVP.Status != confirmed:
		result.Outcome = NotConfirmed
		return r, result, nil
	case left == 0 || c.EntryID != "" && find(r.RSVP.Door, c.EntryID) != nil:
		result.Outcome = Already
		return r, result, nil
	case c.People > left:
		return nil, result, invalid("/people", "%d of the party of %d are still outside", left, r.RSVP.PartySize)
	}
	at := c.At
	if n := len(r.RSVP.Grew); n > 0 && at.Before(r.RSVP.Grew[n-1].At) {
		at = time.Time{} // it lets in whom it sees, so the party has grown
	}
	s := contract.Scan{ID: b.scanID(c.EntryID), People: c.People, Device: c.Device, At: scanTime(r, at, now)}
	if s.People == 0 {
		s.People = left
	}
	if err := b.scan(r, s, by, now); err != nil {
		return nil, result, err
	}
	// Not always admitted: a scan of before an undo was undone with the others.
	return r, (&DoorEntry{ID: s.ID, RSVPID: c.RSVPID}).result(r), nil
}

// scanTime is a device's time as the log can keep it. A scan without one
// happens now and after all that is known: a device whose clock is ahead must
// not make an undo void it, or escape an undo. Nor has one whose clock is behind
// done anything before the seat was given that it sees.
func scanTime(r *Row, at, now time.Time) time.Time {
	if !at.IsZero() && (r.RSVP.SeatedAt == nil || !at.Before(*r.RSVP.SeatedAt)) {
		return contract.Time(at)
	}
	if n := len(r.RSVP.Door); n > 0 {
		if last := r.RSVP.Door[n-1].At; !now.After(last) {
			return last.Add(time.Microsecond)
		}
	}
	return now
}
