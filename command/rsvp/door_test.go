package rsvp

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/turnout-events/turnout/internal/contract"
)

// doorWorld has a confirmed party of three, one who cancelled and one who
// waits, half an hour after the start.
func doorWorld(t failer) *world {
	w := newWorld(t, 4)
	w.going(3, "trio")
	w.going(1, "gone")
	w.cancel("gone")
	w.going(2, "waits")
	w.now = start.Add(30 * time.Minute)
	return w
}

func TestCheckIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rsvp    string
		people  int
		outcome string
		let, in int
	}{
		{"trio", 0, Admitted, 3, 3},
		{"trio", 2, Admitted, 2, 2},
		{"gone", 0, Cancelled, 0, 0},
		{"waits", 0, NotConfirmed, 0, 0},
		{"nobody", 0, Unknown, 0, 0},
	} {
		w := doorWorld(t)
		v := w.version
		o := w.must(&CheckIn{RSVPID: c.rsvp, People: c.people, Device: "north"}, member)
		r := o.CheckIns[0]
		if r.Outcome != c.outcome || r.People != c.let || r.CheckedIn != c.in || w.counters.CheckedIn != c.in {
			t.Errorf("%+v: %+v, counted %d", c, r, w.counters.CheckedIn)
		}
		if (w.version > v) != (c.outcome == Admitted) {
			t.Errorf("%s left %v", c.outcome, w.types(v))
		}
	}
}

func TestAPartyComesInParts(t *testing.T) {
	t.Parallel()
	w := doorWorld(t)
	w.must(&CheckIn{RSVPID: "trio", People: 1, EntryID: "s1"}, member)
	w.refused(errInvalidInput, &CheckIn{RSVPID: "trio", People: 3}, member)
	v := w.version
	if o := w.must(&CheckIn{RSVPID: "trio", People: 1, EntryID: "s1"}, member); o.CheckIns[0].Outcome != Already || w.version != v {
		t.Fatalf("the same scan again: %+v", o.CheckIns)
	}
	w.must(&CheckIn{RSVPID: "trio"}, member)
	if o := w.must(&CheckIn{RSVPID: "trio"}, member); o.CheckIns[0].Outcome != Already {
		t.Fatalf("%+v", o.CheckIns)
	}
	w.refused(ErrCheckedIn, resize("trio", 2), member)
	w.refused(ErrCheckedIn, change("trio", contract.NotGoing), GuestActor("trio"))
	w.refused(ErrCheckedIn, &CancelRSVP{RSVPID: "trio"}, GuestActor("trio"))

	w.must(&UndoCheckIn{RSVPID: "trio"}, member)
	if r := w.rows["trio"].RSVP; r.CheckedIn != 0 || r.CheckedInAt != nil || w.counters.CheckedIn != 0 {
		t.Fatalf("%+v", r)
	}
	w.must(&CheckIn{RSVPID: "trio", People: 2}, member) // at the same instant as the undo, and after it
	if r := w.rows["trio"].RSVP; r.CheckedIn != 2 {
		t.Fatalf("%+v", r)
	}
	w.must(resize("trio", 2), member)
}

func TestADuplicateScanOnTwoOfflinePhones(t *testing.T) {
	t.Parallel()
	at := start.Add(time.Minute)
	north := &MergeCheckIns{[]DoorEntry{{ID: "n1", RSVPID: "trio", Device: "north", At: at}}}
	south := &MergeCheckIns{[]DoorEntry{{ID: "s1", RSVPID: "trio", Device: "south", At: at.Add(time.Minute)}}}
	w := doorWorld(t)
	w.must(south, member) // the later scan syncs first
	v := w.version
	o := w.must(north, member)
	if r := o.CheckIns[0]; r.Outcome != Admitted || r.People != 3 {
		t.Fatalf("north was first at the door: %+v", r)
	}
	if m := w.log[v].Payload.(contract.RSVPMessage); m.CheckIn.Conflict != contract.ConflictDouble || m.RSVP.Door[1].Conflict != contract.ConflictDouble {
		t.Fatalf("the double entry is hidden: %+v", m)
	}
	if w.counters.CheckedIn != 3 {
		t.Fatal(show(w.counters))
	}
	v = w.version
	if again := w.must(south, member); again.CheckIns[0].Outcome != Already || again.CheckIns[0].Conflict != contract.ConflictDouble || w.version != v {
		t.Fatalf("%+v", again.CheckIns)
	}
}

// A scan that was made before an undo, and heard of after it, lets nobody in; the door hears the same of it alone as in
// a batch.
func TestAScanOfBeforeAnUndoIsUndone(t *testing.T) {
	t.Parallel()
	w := doorWorld(t)
	at := w.now
	w.must(&CheckIn{RSVPID: "trio", People: 1, EntryID: "s1", At: at}, member)
	w.must(&UndoCheckIn{RSVPID: "trio", EntryID: "u1", At: at.Add(2 * time.Minute)}, member)
	want := CheckInResult{EntryID: "s2", RSVPID: "trio", Outcome: Undone, PartySize: 3}
	late := &CheckIn{RSVPID: "trio", People: 2, EntryID: "s2", At: at.Add(time.Minute)}
	if got := w.must(late, member).CheckIns[0]; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	again := &MergeCheckIns{[]DoorEntry{{ID: "s2", RSVPID: "trio", People: 2, At: at.Add(time.Minute)}}}
	if got := w.must(again, member).CheckIns[0]; got != want {
		t.Errorf("in a batch: %+v, want %+v", got, want)
	}
}

// What a device scanned before a seat was given admits nobody to it, whether the device brings it before or afterwards.
func TestASeatGivenAtTheDoorStartsAnew(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"waits", "gone"} {
		for _, late := range []bool{false, true} {
			w := doorWorld(t)
			early := &MergeCheckIns{[]DoorEntry{{ID: "early", RSVPID: who, At: start.Add(5 * time.Minute)}}}
			if !late {
				w.must(early, member)
			}
			w.must(&SetCapacity{Capacity: ptr(6), Limits: DefaultLimits()}, member)
			w.must(change(who, contract.Going), member)
			if late {
				o := w.must(early, member)
				if r := o.CheckIns[0]; r.Outcome != NotConfirmed || r.CheckedIn != 0 {
					t.Errorf("%s: a scan of before the seat: %+v", who, r)
				}
			}
			party := w.rows[who].RSVP.PartySize
			// Of a device whose clock is behind: it sees the seat, so it was given.
			o := w.must(&CheckIn{RSVPID: who, EntryID: "now", At: start}, member)
			if r := o.CheckIns[0]; r.Outcome != Admitted || r.People != party || r.CheckedIn != party || w.counters.CheckedIn != party {
				t.Errorf("%s, late %v: who was just seated hears %+v", who, late, r)
			}
			if got := conflictOf(w.rows[who].RSVP.Door, "early"); got != contract.ConflictNotConfirmed {
				t.Errorf("%s, late %v: the early scan is %q", who, late, got)
			}
			w.must(&UndoCheckIn{RSVPID: who, At: start}, member) // by the same clock, and after the scan
			if in := w.rows[who].RSVP.CheckedIn; in != 0 {
				t.Errorf("%s, late %v: %d inside after the undo", who, late, in)
			}
		}
	}
}

// Two devices scanned the party offline, then one more comes along: the seat that was added is for who was added, whether
// the devices bring their scans before or afterwards.
func TestAPartyThatGrowsAtTheDoorHasRoomForWhoWasAdded(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		w := doorWorld(t)
		w.must(&SetCapacity{Limits: DefaultLimits()}, member)
		scans := &MergeCheckIns{[]DoorEntry{
			{ID: "n", RSVPID: "trio", At: start.Add(time.Minute), People: 3}, {ID: "s", RSVPID: "trio", At: start.Add(2 * time.Minute), People: 3},
		}}
		if !late {
			w.must(scans, member)
		}
		w.must(resize("trio", 4), member)
		w.now = w.now.Add(time.Minute)
		w.must(resize("trio", 5), member)
		w.now = w.now.Add(time.Minute)
		if late {
			w.must(scans, member)
		}
		if got := conflictOf(w.rows["trio"].RSVP.Door, "s"); got != contract.ConflictDouble {
			t.Errorf("late %v: the second scan is %q", late, got)
		}
		// The first by a device whose clock is behind: it sees who was added.
		for i, c := range []*CheckIn{{RSVPID: "trio", People: 1, At: start.Add(3 * time.Minute)}, {RSVPID: "trio"}} {
			o := w.must(c, member)
			if r := o.CheckIns[0]; r.Outcome != Admitted || r.People != 1 || r.Conflict != "" || r.CheckedIn != 4+i || w.counters.CheckedIn != 4+i {
				t.Errorf("late %v: who was added hears %+v", late, r)
			}
		}
	}
}

// pretix 3187: offline, a cancelled ticket shows green, and nobody hears of it.
func TestCancelledThenAdmittedIsRecorded(t *testing.T) {
	t.Parallel()
	w := doorWorld(t)
	v := w.version
	o := w.must(&MergeCheckIns{[]DoorEntry{
		{ID: "1", RSVPID: "gone", At: start}, {ID: "2", RSVPID: "waits", At: start}, {ID: "3", RSVPID: "nobody", At: start},
	}}, member)
	for i, want := range []string{Cancelled, NotConfirmed, Unknown} {
		if o.CheckIns[i].Outcome != want {
			t.Errorf("entry %d: %+v", i, o.CheckIns[i])
		}
	}
	m := w.log[v].Payload.(contract.RSVPMessage)
	if w.log[v].Type != contract.CheckedInV1 || m.CheckIn.Conflict != contract.ConflictCancelled || w.counters.CheckedIn != 0 {
		t.Fatalf("%+v", m)
	}
}

func TestWhatAMergeRefuses(t *testing.T) {
	t.Parallel()
	w := doorWorld(t)
	many := make([]DoorEntry, MaxEntries+1)
	for i := range many {
		many[i] = DoorEntry{ID: fmt.Sprint(i), RSVPID: "trio", At: start}
	}
	for _, entries := range [][]DoorEntry{
		many,
		{{RSVPID: "trio", At: start}},
		{{ID: "1", RSVPID: "trio"}},
		{{ID: "1", RSVPID: "trio", At: w.now.AddDate(0, 0, 2)}},
		{{ID: "1", RSVPID: "trio", At: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{{ID: "1", RSVPID: "trio", At: start, People: -1}},
		{{ID: "a\x00b", RSVPID: "trio", At: start}},
	} {
		w.refused(errInvalidInput, &MergeCheckIns{entries}, member)
	}
	w.must(&MergeCheckIns{many[:MaxEntries]}, member) // a worn ticket does not hold up the batch
	if n := len(w.rows["trio"].RSVP.Door); n != maxScans {
		t.Fatalf("%d scans are kept", n)
	}
	w.must(&CancelEvent{}, member)
	w.refused(ErrEventCancelled, &MergeCheckIns{many[:1]}, member)
}

// Whatever devices did without a network, in whatever order and portions they
// bring it, once or twice: the same people are inside and the same conflicts
// are on record.
func TestMergingDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var entries []DoorEntry
		for i := range rapid.IntRange(1, 12).Draw(t, "entries") {
			entries = append(entries, DoorEntry{
				ID:     fmt.Sprintf("s%d", i),
				RSVPID: rapid.SampledFrom([]string{"trio", "trio", "gone", "waits", "nobody"}).Draw(t, "rsvp"),
				People: rapid.IntRange(0, 3).Draw(t, "people"),
				Device: rapid.SampledFrom([]string{"north", "south"}).Draw(t, "device"),
				At:     start.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "minute")) * time.Minute),
				Undo:   rapid.IntRange(0, 4).Draw(t, "undo") == 0,
			})
		}
		bring := func(order []DoorEntry) *world {
			w := doorWorld(t)
			for len(order) > 0 {
				n := rapid.IntRange(1, len(order)).Draw(t, "portion")
				w.must(&MergeCheckIns{order[:n]}, member)
				order = order[n:]
			}
			return w
		}
		one := bring(entries)
		other := bring(append(rapid.Permutation(entries).Draw(t, "order"), entries[0]))
		for id := range one.rows {
			a, b := one.rows[id].RSVP, other.rows[id].RSVP
			if a.CheckedIn != b.CheckedIn || !sameTime(a.CheckedInAt, b.CheckedInAt) || !reflect.DeepEqual(a.Door, b.Door) {
				t.Fatalf("%s:\n%+v\n%+v", id, a, b)
			}
			if a.CheckedIn > a.PartySize || a.CheckedIn > 0 && a.Status != confirmed {
				t.Fatalf("%+v", a)
			}
		}
		if one.counters.CheckedIn != other.counters.CheckedIn {
			t.Fatalf("%s, %s", show(one.counters), show(other.counters))
		}
		last := &MergeCheckIns{entries}
		a, b := one.must(last, member).CheckIns, other.must(last, member).CheckIns
		if !slices.Equal(a, b) {
			t.Fatalf("results differ:\n%+v\n%+v", a, b)
		}
	})
}
