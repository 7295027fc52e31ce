package rsvp

import (
	"slices"
	"strconv"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// MaxEntries is how many entries one MergeCheckIns may carry.
const MaxEntries = 500

// MergeCheckIns adds what a device did without a network. What it comes to
// depends only on the set of entries, not on the order in which devices bring
// them; the same entry again changes nothing. What a device could not know is
// recorded as a conflict, in the scan, in the message and in the result. At
// most MaxEntries; none when nothing that the device scanned is a ticket here.
type MergeCheckIns struct {
	Entries []DoorEntry
}

// DoorEntry is one scan on a device, or its undoing.
type DoorEntry struct {
	ID     string // the device's own, unique at the event; 1 to 64 characters
	RSVPID string
	People int // 0: all of the party
	Device string
	At     time.Time // by the device's clock
	Undo   bool
	Index  int // in the request: a refusal points there
}

// Needs of the command.
func (c *MergeCheckIns) Needs() Needs {
	ids := make([]string, 0, len(c.Entries))
	for _, e := range c.Entries {
		ids = append(ids, e.RSVPID)
	}
	return Needs{RSVPIDs: ids}
}

// Decide applies the command.
func (c *MergeCheckIns) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	var results []CheckInResult
	o, err := b.decide(now, func(now time.Time) (*Row, error) {
		if err := c.check(by, now); err != nil {
			return nil, err
		}
		if err := b.doorOpen(); err != nil {
			return nil, err
		}
		for _, e := range c.Entries {
			if err := e.add(b, by, now); err != nil {
				return nil, err
			}
		}
		for _, e := range c.Entries {
			results = append(results, e.result(b.rows[e.RSVPID]))
		}
		return nil, nil
	})
	o.CheckIns = results
	return o, err
}

func (c *MergeCheckIns) check(by Actor, now time.Time) error {
	if !by.Member {
		return fault.ErrForbidden
	}
	if len(c.Entries) > MaxEntries {
		return invalid("/entries", "has at most %d entries", MaxEntries)
	}
	for _, e := range c.Entries {
		at := "/entries/" + strconv.Itoa(e.Index)
		if e.ID == "" {
			return invalid(at+"/id", "is missing")
		}
		if err := checkScan(at, e.ID, e.Device, e.People, e.At, now); err != nil {
			return err
		}
		if e.At.IsZero() {
			return invalid(at+"/at", "is missing")
		}
	}
	return nil
}

// add merges one entry; an unknown RSVP and an entry that is known are left
// alone.
func (e *DoorEntry) add(b *Book, by Actor, now time.Time) error {
	r, sought := b.rows[e.RSVPID]
	if !sought {
		return notLoaded("RSVP", e.RSVPID)
	}
	if r == nil || find(r.RSVP.Door, e.ID) != nil || len(r.RSVP.Door) >= maxScans {
		return nil // too many: one worn ticket must not hold up the device's whole batch
	}
	people := e.People
	if people == 0 && !e.Undo {
		people = r.RSVP.PartySize
	}
	s := contract.Scan{ID: e.ID, People: people, Device: e.Device, At: contract.Time(e.At), Undo: e.Undo}
	return b.scan(r, s, by, now)
}

// result tells what the entry comes to, given all that is known now.
func (e *DoorEntry) result(r *Row) CheckInResult {
	res := CheckInResult{EntryID: e.ID, RSVPID: e.RSVPID, Outcome: Unknown}
	if r == nil {
		return res
	}
	res.CheckedIn, res.PartySize, res.Conflict = r.RSVP.CheckedIn, r.RSVP.PartySize, conflictOf(r.RSVP.Door, e.ID)
	switch {
	case find(r.RSVP.Door, e.ID) == nil:
		res.Outcome, res.Conflict = Already, contract.ConflictDouble
	case e.Undo:
		res.Outcome = Undone
	case res.Conflict == contract.ConflictCancelled:
		res.Outcome = Cancelled
	case res.Conflict == contract.ConflictNotConfirmed:
		res.Outcome = NotConfirmed
	default:
		res.Outcome, res.People = admittedBy(&r.RSVP, e.ID)
	}
	return res
}

// admittedBy tells how many of the party a scan let in.
func admittedBy(r *contract.RSVP, id string) (outcome string, people int) {
	lets := admit(slices.Clone(r.Door), r)
	i := slices.IndexFunc(r.Door, func(s contract.Scan) bool { return s.ID == id })
	switch {
	case i < 0:
		return Unknown, 0
	case slices.ContainsFunc(r.Door[i:], func(s contract.Scan) bool { return s.Undo }):
		return Undone, 0
	case lets[i] == 0:
		return Already, 0
	}
	return Admitted, lets[i]
}
