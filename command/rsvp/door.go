package rsvp

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// maxScans bounds what one RSVP carries from the door.
const maxScans = 100

// tally works out what a set of scans comes to. It is a function of the set and
// of the seat alone: scans are taken by their device's time and then by id,
// whatever the order in which they arrived. An undo voids all until its time.
// Whom the party has no room for is a double entry, also when the party grows
// later, and without a seat, or before it was given, nobody counts: who is
// seated after a device had let them in unseated is not inside by that.
func tally(scans []contract.Scan, of *contract.RSVP) (sorted []contract.Scan, in int, since *time.Time) {
	sorted = slices.Clone(scans)
	slices.SortFunc(sorted, func(a, b contract.Scan) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	for i, let := range admit(sorted, of) {
		if let > 0 && since == nil {
			at := sorted[i].At
			since = &at
		}
		in += let
	}
	return sorted, in, since
}

// admit gives how many people each scan lets in, and says in the scans why not.
func admit(sorted []contract.Scan, of *contract.RSVP) []int {
	lets, from, in := make([]int, len(sorted)), 0, 0
	for i := range sorted {
		sorted[i].Conflict = ""
		if sorted[i].Undo {
			from = i + 1
		}
	}
	for i := from; i < len(sorted); i++ {
		s := &sorted[i]
		switch {
		case of.Status == cancelled:
			s.Conflict = contract.ConflictCancelled
		case of.Status != confirmed || of.SeatedAt != nil && s.At.Before(*of.SeatedAt):
			s.Conflict = contract.ConflictNotConfirmed
		default:
			room := partyAt(of, s.At) - in
			if s.People > room {
				s.Conflict = contract.ConflictDouble
			}
			lets[i] = max(min(s.People, room), 0)
			in += lets[i]
		}
	}
	return lets
}

// partyAt is the most that the party was then and is now.
func partyAt(of *contract.RSVP, at time.Time) int {
	people := of.PartySize
	for _, g := range of.Grew {
		if at.Before(g.At) {
			people = min(people, g.From)
		}
	}
	return people
}

// maxGrowths of a party are remembered; before those it is taken as it was then.
const maxGrowths = 10

func grown(before []contract.Growth, g contract.Growth) []contract.Growth {
	return append(slices.Clone(before[max(0, len(before)+1-maxGrowths):]), g)
}

// scan adds one scan to a row and records what it did.
func (b *Book) scan(r *Row, s contract.Scan, by Actor, now time.Time) error {
	if len(r.RSVP.Door) >= maxScans {
		return invalid("/rsvp_id", "the door has seen this RSVP %d times", maxScans)
	}
	was := b.touch(r)
	before := conflicts(r.RSVP.Door)
	r.RSVP.Door, r.RSVP.CheckedIn, r.RSVP.CheckedInAt = tally(append(slices.Clone(r.RSVP.Door), s), &r.RSVP)
	n := note{by: byDoor, actor: by.ID, validAt: s.At, checkIn: &contract.CheckIn{
		People: r.RSVP.CheckedIn - was.CheckedIn, Device: s.Device, Conflict: conflictOf(r.RSVP.Door, s.ID),
	}}
	if n.checkIn.Conflict == "" && conflicts(r.RSVP.Door) > before {
		n.checkIn.Conflict = contract.ConflictDouble // this one came first, another is the double now
	}
	if s.Undo {
		n.by, n.checkIn.People = byUndo, was.CheckedIn-r.RSVP.CheckedIn
	}
	if now.Before(s.At) {
		n.validAt = now // a device whose clock is ahead
	}
	return b.record(r, was, n, now)
}

func conflicts(scans []contract.Scan) (n int) {
	for _, s := range scans {
		if s.Conflict != "" {
			n++
		}
	}
	return n
}

func find(scans []contract.Scan, id string) *contract.Scan {
	for i := range scans {
		if scans[i].ID == id {
			return &scans[i]
		}
	}
	return nil
}

func conflictOf(scans []contract.Scan, id string) string {
	if s := find(scans, id); s != nil {
		return s.Conflict
	}
	return ""
}

// doorOpen tells whether the event has a door. Scans may come after its end:
// a device may have been without a network all night.
func (b *Book) doorOpen() error {
	switch b.Event.Status {
	case contract.EventCancelled:
		return ErrEventCancelled
	case contract.EventPublished:
		return nil
	}
	return ErrNotPublished
}

// scanID is the id of a scan that brings none: unique within the event.
func (b *Book) scanID(given string) string {
	if given != "" {
		return given
	}
	return "v" + strconv.FormatInt(b.Version+1, 10)
}

// checkScan checks what a device says of a scan; at is zero for now.
func checkScan(pointer, id, device string, people int, at, now time.Time) error {
	if !at.IsZero() && (at.Before(earliest) || at.After(now.Add(days(1)))) {
		return invalid(pointer+"/at", "is the time of the scan, by the device's clock")
	}
	if f := checkText(pointer+"/id", id, 0, 64, oneLine); f != nil {
		return invalid(f.Pointer, "%s", f.Detail)
	}
	if f := checkText(pointer+"/device", device, 0, 100, oneLine); f != nil {
		return invalid(f.Pointer, "%s", f.Detail)
	}
	if people < 0 || people > 1000 {
		return invalid(pointer+"/people", "is from 1 to 1000, or 0 for all of the party")
	}
	return nil
}
