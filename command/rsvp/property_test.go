package rsvp

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

type wish struct {
	command Command
	by      Actor
}

// drawWish makes up something that somebody wants, of few guests, so that
// they meet often. fresh numbers new RSVPs.
func drawWish(t *rapid.T, fresh *int, now time.Time) wish {
	address := rapid.IntRange(0, 11).Draw(t, "address")
	existing := func() string { return fmt.Sprintf("r%d", rapid.IntRange(1, max(*fresh, 1)).Draw(t, "rsvp")) }
	party := rapid.SampledFrom([]int{1, 1, 1, 2, 2, 3, 5}).Draw(t, "party")
	response := rapid.SampledFrom([]string{contract.Going, contract.Going, contract.Going, contract.Maybe, contract.NotGoing}).Draw(t, "response")
	someone := func(id string) Actor {
		if rapid.IntRange(0, 4).Draw(t, "by") == 0 {
			return member
		}
		return GuestActor(id)
	}
	switch rapid.IntRange(0, 27).Draw(t, "what") {
	case 0, 1, 2, 3, 4, 5, 6:
		*fresh++
		id := fmt.Sprintf("r%d", *fresh)
		return wish{&SubmitRSVP{
			RSVPID: id, EmailHMAC: hmacOf(address), WrappedKey: []byte("k"), Sealed: []byte(id),
			Response: response, PartySize: party,
		}, someone(id)}
	case 7, 8, 9:
		id := existing()
		return wish{&CancelRSVP{RSVPID: id}, someone(id)}
	case 10, 11:
		id := existing()
		return wish{change(id, response), someone(id)}
	case 12:
		id := existing()
		return wish{resize(id, party), someone(id)}
	case 13:
		id := existing()
		return wish{&ChangeRSVP{RSVPID: id, Response: &response, PartySize: &party}, someone(id)}
	case 14:
		id := existing()
		return wish{&AcceptOffer{RSVPID: id}, someone(id)}
	case 15:
		id := existing()
		return wish{&DeclineOffer{RSVPID: id}, someone(id)}
	case 16:
		id := existing()
		return wish{&ConfirmAddress{RSVPID: id}, GuestActor(id)}
	case 17:
		if rapid.Bool().Draw(t, "approve") {
			return wish{&Approve{RSVPID: existing()}, member}
		}
		return wish{&Reject{RSVPID: existing()}, member}
	case 18:
		var capacity *int
		if n := rapid.IntRange(0, 9).Draw(t, "capacity"); n > 0 {
			capacity = &n
		}
		return wish{&SetCapacity{Capacity: capacity, Limits: DefaultLimits()}, member}
	case 19:
		return wish{&EditEvent{Limits: DefaultLimits(), Input: EventInput{
			WaitlistPolicy: Some(rapid.SampledFrom([]string{"auto", "offer", "none"}).Draw(t, "policy")),
			Approval:       Some(rapid.IntRange(0, 5).Draw(t, "approval") == 0),
			ConfirmAddress: Some(rapid.IntRange(0, 5).Draw(t, "confirm") == 0),
		}}, member}
	case 20:
		id := existing()
		return wish{&EraseRSVP{RSVPID: id}, someone(id)}
	case 21:
		id := existing()
		if rapid.Bool().Draw(t, "undo") {
			return wish{&UndoCheckIn{RSVPID: id}, member}
		}
		return wish{&CheckIn{RSVPID: id, People: rapid.IntRange(0, 2).Draw(t, "people")}, member}
	case 22:
		if rapid.Bool().Draw(t, "offers") {
			return wish{&ExpireOffers{}, system}
		}
		return wish{&ExpirePending{RSVPIDs: []string{existing(), existing()}}, system}
	case 23, 24:
		return wish{&MergeCheckIns{drawEntries(t, existing, now)}, member}
	case 25:
		begins := now.Add(rapid.SampledFrom([]time.Duration{-time.Minute, time.Hour, 30 * time.Hour, 30 * 24 * time.Hour}).Draw(t, "begins"))
		return wish{&EditEvent{Limits: DefaultLimits(), Input: EventInput{
			StartsAt: Some(begins.Format(time.RFC3339Nano)), EndsAt: Some(begins.Add(3 * time.Hour).Format(time.RFC3339Nano)),
		}}, member}
	case 26:
		if rapid.IntRange(0, 9).Draw(t, "rain") == 0 {
			return wish{&CancelEvent{Reason: "rain"}, member}
		}
		return wish{&EditEvent{Limits: DefaultLimits(), Input: EventInput{MaxParty: Some(rapid.IntRange(1, 5).Draw(t, "most"))}}, member}
	default:
		return wish{&RequestLink{RSVPID: existing()}, system}
	}
}

// drawEntries makes up what a device did offline, with times of its own clock.
func drawEntries(t *rapid.T, existing func() string, now time.Time) []DoorEntry {
	entries := make([]DoorEntry, rapid.IntRange(1, 3).Draw(t, "entries"))
	for i := range entries {
		entries[i] = DoorEntry{
			ID: fmt.Sprintf("d%d", rapid.IntRange(1, 20).Draw(t, "scan")), RSVPID: existing(), People: rapid.IntRange(0, 3).Draw(t, "people"),
			At: now.Add(time.Duration(rapid.IntRange(-120, 10).Draw(t, "clock")) * time.Minute), Undo: rapid.IntRange(0, 4).Draw(t, "undo") == 0,
		}
	}
	return entries
}

// Whatever anybody does in whatever order: no version is oversold, the
// counters are what the rows come to, messages are legal and end where the
// rows are (save checks these), nobody who waits and fits is left standing,
// and nobody overtakes who fits. And a store that loads batches by QueueNeed
// gets the same answers and messages as one that loads everything for each
// command alone.
func TestAnySequence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 9).Draw(t, "capacity")
		batched, alone := newWorld(t, capacity), newWorld(t, capacity)
		alone.whole = true
		fresh := 0
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			step := rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, 13 * time.Hour, 5 * 24 * time.Hour}).Draw(t, "step")
			batched.now = batched.now.Add(step)
			alone.now = batched.now
			var wishes []wish
			for range rapid.IntRange(1, 12).Draw(t, "commands") {
				wishes = append(wishes, drawWish(t, &fresh, batched.now))
			}
			commands := make([]Command, len(wishes))
			for i, w := range wishes {
				commands[i] = w.command
			}
			b := batched.load(commands...)
			for i, w := range wishes {
				before := picture(b)
				got, gotErr := w.command.Decide(b, w.by, batched.now)
				if gotErr != nil && !reflect.DeepEqual(before, picture(b)) {
					t.Fatalf("%T refused (%v) but changed the book", w.command, gotErr)
				}
				want, wantErr := alone.do(w.command, w.by)
				compare(t, i, w, got, want, gotErr, wantErr)
				if gotErr == nil {
					settled(t, b, batched.now)
				}
			}
			batched.save(b)
			if !reflect.DeepEqual(batched.rows, alone.rows) || !reflect.DeepEqual(batched.log, alone.log) {
				for id, r := range batched.rows {
					if !reflect.DeepEqual(r, alone.rows[id]) {
						t.Fatalf("batched and alone have parted:\n%+v\n%+v", r, alone.rows[id])
					}
				}
				t.Fatalf("the logs of batched and alone have parted: %v %v", batched.types(0), alone.types(0))
			}
			inOrder(t, alone)
		}
	})
}

func compare(t *rapid.T, i int, w wish, got, want Outcome, gotErr, wantErr error) {
	t.Helper()
	if (gotErr == nil) != (wantErr == nil) || gotErr != nil && !errors.Is(gotErr, fault.As(wantErr)) {
		t.Fatalf("command %d %T: in a batch %v, alone %v", i, w.command, gotErr, wantErr)
	}
	if got.Position != 0 && got.Position != want.Position {
		t.Fatalf("command %d %T: position %d in a batch, %d alone", i, w.command, got.Position, want.Position)
	}
	got.Position = want.Position
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("command %d %T: in a batch %+v, alone %+v", i, w.command, got, want)
	}
}

// settled checks that nobody waits who fits.
func settled(t *rapid.T, b *Book, now time.Time) {
	t.Helper()
	free, _ := b.free()
	if !b.promotes(now) {
		return
	}
	for _, r := range b.queue {
		if r.RSVP.PartySize <= free {
			t.Fatalf("%s waits with %d people while %d seats are free", r.RSVP.ID, r.RSVP.PartySize, free)
		}
	}
}

// inOrder replays the log: who is promoted had nobody before them who fitted,
// and nobody is promoted after the start.
func inOrder(t *rapid.T, w *world) {
	t.Helper()
	waiting := map[string]contract.RSVP{}
	var last contract.Counters
	last.Capacity = ptr(1 << 30)
	begins := start
	for _, d := range w.log {
		switch m := d.Payload.(type) {
		case contract.EventMessage:
			last, begins = m.Counters, m.Event.StartsAt
		case contract.RSVPMessage:
			if d.Type == contract.RSVPPromotedV1 || d.Type == contract.RSVPOfferedV1 {
				if !d.ValidAt.Before(begins) {
					t.Fatalf("version %d: promoted after the start", d.Version)
				}
				me := waiting[m.RSVP.ID]
				for _, q := range waiting {
					if free := last.Remaining(); q.QueuedVersion < me.QueuedVersion && (free == nil || q.PartySize <= *free) {
						t.Fatalf("version %d: %s overtook %s, who fitted", d.Version, m.RSVP.ID, q.ID)
					}
				}
			}
			delete(waiting, m.RSVP.ID)
			if m.RSVP.Status == waitlisted {
				waiting[m.RSVP.ID] = m.RSVP
			}
			last = m.Counters
		}
	}
}
