package rsvp

import (
	"errors"
	"flag"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

var update = flag.Bool("update", false, "write docs/states.md anew")

const statesDoc = "../../docs/states.md"

// The picture in the documents is drawn from the table, and stays so.
func TestTheDiagramIsTheTable(t *testing.T) {
	t.Parallel()
	want := drawStates()
	if *update {
		if err := os.WriteFile(statesDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("docs/states.md is not what the table says: go test ./command/rsvp -run Diagram -update")
	}
}

func drawStates() string {
	var s strings.Builder
	s.WriteString(`# The states of an RSVP

Drawn from the transition table in command/rsvp/transition.go by its test
(` + "`go test ./command/rsvp -run Diagram -update`" + `). Every move that is not here is refused with the conflict
` + "`wrong-state`" + `, which names the two states. *confirmed* counts as going, *offered* as held; only these two take seats.

` + "```mermaid\nstateDiagram-v2\n")
	edges := map[[2]string][]string{}
	var order [][2]string
	stays := map[string][]string{}
	var stayOrder []string
	for _, t := range Transitions() {
		if t.To == Stays {
			line := "| " + t.By + " | " + strings.Join(t.From, ", ") + " | `" + t.Message + "` |"
			if len(t.From) == len(States()) {
				line = "| " + t.By + " | any | `" + t.Message + "` |"
			}
			if _, known := stays[line]; !known {
				stays[line] = nil
				stayOrder = append(stayOrder, line)
			}
			continue
		}
		for _, from := range t.From {
			if from == New {
				from = "[*]"
			}
			edge := [2]string{from, t.To}
			if edges[edge] == nil {
				order = append(order, edge)
			}
			edges[edge] = append(edges[edge], t.By)
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return rank(order[i][0]) < rank(order[j][0]) })
	for _, e := range order {
		s.WriteString("    " + e[0] + " --> " + e[1] + ": " + strings.Join(edges[e], ", ") + "\n")
	}
	s.WriteString("```\n\n| a move by | from | to | message |\n|---|---|---|---|\n")
	for _, t := range Transitions() {
		if t.To == Stays {
			continue
		}
		from := strings.Join(t.From, ", ")
		if from == New {
			from = "(new)"
		}
		s.WriteString("| " + t.By + " | " + from + " | " + t.To + " | `" + t.Message + "` |\n")
	}
	s.WriteString("\nThese leave the state as it is:\n\n| by | in | message |\n|---|---|---|\n")
	for _, line := range stayOrder {
		s.WriteString(line + "\n")
	}
	return s.String()
}

func rank(state string) int {
	for i, s := range States() {
		if s == state {
			return i
		}
	}
	return -1
}

// placed is a world with room for three more, in which x is in a state. Who
// waits has a party that does not fit.
func placed(t failer, state string) *world {
	w := newWorld(t, 20)
	w.going(7, "filler", "filler2")
	party := 1
	if state == waitlisted {
		party = 7
	}
	r := contract.RSVP{
		ID: "x", EventID: "e1", OrganizationID: "o1", Status: state, Response: contract.Going, PartySize: party,
		Sealed: []byte("sealed"), CreatedAt: w.now, UpdatedAt: w.now, Reminders: true,
	}
	switch state {
	case pending:
		r.PendingExpiresAt = ptr(w.now.Add(PendingTTL))
	case offered:
		r.OfferExpiresAt = ptr(w.now.Add(240 * time.Hour))
		r.QueuedVersion = 1
	case waitlisted:
		r.QueuedVersion = 1
	case maybe:
		r.Response = contract.Maybe
	case declined:
		r.Response = contract.NotGoing
	}
	w.rows["x"] = Row{RSVP: r, EmailHMAC: []byte("hmac of x")}
	w.counters = Recount(w.event.Capacity, w.all())
	w.version++
	w.replayed["x"] = r // placed, not reached
	return w
}

// Every state × every command. A name is the state after it, "=" the same
// state, and "x" the conflict that names the states.
func TestEveryStateAndEveryCommand(t *testing.T) {
	t.Parallel()
	guest := GuestActor("x")
	x := []string{"x", "x", "x", "x", "x", "x", "x"}
	same := []string{"=", "=", "=", "=", "=", "=", "="}
	only := func(state, to string) []string {
		row := append([]string{}, x...)
		row[rank(state)] = to
		return row
	}
	cases := []struct {
		name  string
		make  func(w *world) Command
		by    Actor
		after time.Duration
		want  []string // in the order of States: pending confirmed waitlisted offered maybe declined cancelled
	}{
		{"going", func(*world) Command { return change("x", contract.Going) }, guest, 0,
			[]string{"=", "=", "=", "=", confirmed, confirmed, confirmed}},
		{"maybe", func(*world) Command { return change("x", contract.Maybe) }, guest, 0,
			[]string{maybe, maybe, maybe, maybe, "=", maybe, maybe}},
		{"not going", func(*world) Command { return change("x", contract.NotGoing) }, guest, 0,
			[]string{declined, declined, declined, declined, declined, "=", declined}},
		{"one more", func(w *world) Command { return resize("x", w.rows["x"].RSVP.PartySize+1) }, guest, 0,
			[]string{"=", "=", "=", "=", "=", "=", "x"}},
		{"other consents", func(*world) Command {
			return &ChangeRSVP{RSVPID: "x", Updates: ptr(true)}
		}, guest, 0, same},
		{"cancel", func(*world) Command { return &CancelRSVP{RSVPID: "x"} }, guest, 0,
			[]string{cancelled, cancelled, cancelled, cancelled, cancelled, cancelled, "x"}},
		{"confirm", func(*world) Command { return &ConfirmAddress{"x"} }, guest, 0, only(pending, confirmed)},
		{"approve", func(*world) Command { return &Approve{"x"} }, member, 0, only(pending, confirmed)},
		{"reject", func(*world) Command { return &Reject{RSVPID: "x"} }, member, 0, only(pending, cancelled)},
		{"accept", func(*world) Command { return &AcceptOffer{"x"} }, guest, 0, only(offered, confirmed)},
		{"decline", func(*world) Command { return &DeclineOffer{"x"} }, guest, 0, only(offered, cancelled)},
		{"pending expires", func(*world) Command { return &ExpirePending{[]string{"x"}} }, system, PendingTTL,
			[]string{cancelled, "=", "=", "=", "=", "=", "="}},
		{"offers expire", func(*world) Command { return &ExpireOffers{} }, system, 239 * time.Hour, same},
		{"erase", func(*world) Command { return &EraseRSVP{RSVPID: "x"} }, guest, 0,
			[]string{cancelled, cancelled, cancelled, cancelled, cancelled, "=", "="}},
		{"erase after the start", func(*world) Command { return &EraseRSVP{RSVPID: "x"} }, guest, 10 * 24 * time.Hour,
			[]string{cancelled, "=", cancelled, cancelled, "=", "=", "="}},
		{"check in", func(*world) Command { return &CheckIn{RSVPID: "x"} }, member, 0, same},
		{"undo", func(*world) Command { return &UndoCheckIn{RSVPID: "x"} }, member, 0, same},
		{"merge", func(w *world) Command {
			return &MergeCheckIns{[]DoorEntry{{ID: "s1", RSVPID: "x", At: w.now}}}
		}, member, 0, same},
		{"feedback", func(*world) Command { return &GiveFeedback{RSVPID: "x", Rating: 4} }, guest, 10*24*time.Hour + time.Hour,
			only(confirmed, "=")},
		{"link", func(*world) Command { return &RequestLink{"x"} }, guest, 0, same},
	}
	for _, c := range cases {
		for i, state := range States() {
			t.Run(c.name+" when "+state, func(t *testing.T) {
				t.Parallel()
				w := placed(t, state)
				w.now = w.now.Add(c.after)
				b := w.load(c.make(w))
				o, err := c.make(w).Decide(b, c.by, w.now)
				want := c.want[i]
				if state == offered && c.after >= 240*time.Hour && want != cancelled {
					return // the offer lapsed before the command
				}
				if want == "x" {
					f := fault.As(err)
					if !errors.Is(err, ErrWrongState) || f.Extra["from"] != state || f.Extra["to"] == nil ||
						!strings.Contains(f.Detail, state) {
						t.Fatalf("got %v, want a conflict that names %s", err, state)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if want == "=" {
					want = state
				}
				if got := b.rowOr(w.rows["x"].RSVP).Status; got != want {
					t.Fatalf("is %s, want %s", got, want)
				}
				if o.RSVP != nil && o.RSVP.Status != want {
					t.Fatalf("the caller hears %s, want %s", o.RSVP.Status, want)
				}
				rows := w.all()
				for j := range rows {
					rows[j] = b.rowOr(rows[j])
				}
				if got := Recount(w.event.Capacity, rows); got.Going != b.Counters.Going || got.Held != b.Counters.Held ||
					got.Waitlisted != b.Counters.Waitlisted || got.Maybe != b.Counters.Maybe {
					t.Fatalf("counters %s, rows %s", show(b.Counters), show(got))
				}
			})
		}
	}
}

// rowOr is the book's RSVP if it has it, else the one given.
func (b *Book) rowOr(r contract.RSVP) contract.RSVP {
	if in := b.rows[r.ID]; in != nil {
		return in.RSVP
	}
	return r
}

// Whoever may not act is refused, whatever the state: a guest for another
// guest's RSVP (as if it were not there), a guest for what members do.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	stranger := GuestActor("filler")
	guest := GuestActor("x")
	for _, state := range States() {
		for _, c := range []struct {
			command Command
			by      Actor
			want    *fault.Error
		}{
			{change("x", contract.NotGoing), stranger, fault.ErrNotFound},
			{&CancelRSVP{RSVPID: "x"}, stranger, fault.ErrNotFound},
			{&ConfirmAddress{"x"}, stranger, fault.ErrNotFound},
			{&AcceptOffer{"x"}, stranger, fault.ErrNotFound},
			{&DeclineOffer{"x"}, stranger, fault.ErrNotFound},
			{&EraseRSVP{RSVPID: "x"}, stranger, fault.ErrNotFound},
			{&GiveFeedback{RSVPID: "x", Rating: 1}, stranger, fault.ErrNotFound},
			{&Approve{"x"}, guest, fault.ErrForbidden},
			{&Reject{RSVPID: "x"}, guest, fault.ErrForbidden},
			{&CheckIn{RSVPID: "x"}, guest, fault.ErrForbidden},
			{&UndoCheckIn{RSVPID: "x"}, guest, fault.ErrForbidden},
			{&MergeCheckIns{[]DoorEntry{{ID: "1", RSVPID: "x"}}}, guest, fault.ErrForbidden},
			{&ExpireOffers{}, guest, fault.ErrForbidden},
			{&ExpirePending{[]string{"x"}}, member, fault.ErrForbidden},
			{&PublishEvent{}, guest, fault.ErrForbidden},
			{&CancelEvent{}, guest, fault.ErrForbidden},
			{&SetCapacity{}, guest, fault.ErrForbidden},
			{&SetCover{}, guest, fault.ErrForbidden},
			{&SetSeries{}, guest, fault.ErrForbidden},
			{&EditEvent{}, guest, fault.ErrForbidden},
			{&CancelRSVP{RSVPID: "nobody"}, member, fault.ErrNotFound},
		} {
			placed(t, state).refused(c.want, c.command, c.by)
		}
	}
}

// A row that the store was not asked for is our mistake, never "not found".
func TestARowThatWasNotLoadedIsAnInternalError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.going(1, "a")
	for _, c := range []Command{
		submit("b", contract.Going, 1), change("a", contract.Maybe), &CancelRSVP{RSVPID: "a"}, &ConfirmAddress{"a"},
		&AcceptOffer{"a"}, &DeclineOffer{"a"}, &Approve{"a"}, &Reject{RSVPID: "a"}, &CheckIn{RSVPID: "a"},
		&UndoCheckIn{RSVPID: "a"}, &MergeCheckIns{[]DoorEntry{{ID: "1", RSVPID: "a", At: w.now}}},
		&GiveFeedback{RSVPID: "a", Rating: 5}, &ExpirePending{[]string{"a"}}, &EraseRSVP{RSVPID: "a"}, &RequestLink{"a"},
	} {
		by := member
		if _, sweeps := c.(*ExpirePending); sweeps {
			by = system
		}
		_, err := c.Decide(NewBook(w.event, w.counters, w.version), by, w.now)
		if !errors.Is(err, errNotLoaded) || fault.As(err) != nil {
			t.Errorf("%T: %v", c, err)
		}
	}
	// The queue as well: a newcomer must not overtake whom nobody looked at.
	full := newWorld(t, 2)
	full.going(1, "a", "b", "c")
	b := NewBook(full.event, full.counters, full.version)
	row := full.rows["a"]
	b.Add(&row)
	if _, err := (&CancelRSVP{RSVPID: "a"}).Decide(b, member, full.now); !errors.Is(err, errNotLoaded) {
		t.Errorf("promotion without the queue: %v", err)
	}
}
