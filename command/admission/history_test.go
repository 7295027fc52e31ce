package admission_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// ask is what a client wants of an event without a waitlist: seats for a party, or to give them back.
type ask struct {
	leave bool
	party int
}

// seats is the event as its guests may think of it: a number of free seats, changed by one of them at a time.
func seats(n int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return n },
		Step: func(state, input, output any) (bool, any) {
			free, in := state.(int), input.(ask)
			switch {
			case in.leave:
				return true, free + in.party
			case output.(bool):
				return in.party <= free, free - in.party
			default:
				return in.party > free, free
			}
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %v", input, output) },
	}
}

// Clients of two processes see the event as if they had come one after the other, also those who are refused without
// the lock.
func TestHistoryIsLinearizable(t *testing.T) {
	t.Parallel()
	const total, clients, rounds = 5, 10, 30
	f := newFixture(t)
	desks := []*admission.Desk{f.desk(t), f.desk(t)}
	event := f.event(t, capacity(total), policy(contract.WaitlistNone))
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	record := func(client int, in ask, call time.Duration, out bool) {
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{
			ClientId: client, Input: in, Call: call.Nanoseconds(), Output: out, Return: time.Since(began).Nanoseconds(),
		})
	}
	var wait sync.WaitGroup
	for client := range clients {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 2))
			var mine []string
			var parties []int
			for i := range rounds {
				desk := desks[random.IntN(len(desks))]
				call := time.Since(began)
				if n := len(mine) - 1; n >= 0 && random.IntN(2) == 0 {
					if _, err := desk.Do(t.Context(), f.cancel(event, mine[n])); err != nil {
						t.Errorf("cancel: %v", err)
						return
					}
					record(client, ask{leave: true, party: parties[n]}, call, true)
					mine, parties = mine[:n], parties[:n]
					continue
				}
				party := 1 + random.IntN(2)
				a, err := desk.Do(t.Context(), f.submit(t, event, fmt.Sprintf("c%d-%d", client, i), party))
				if err != nil && !errors.Is(err, rsvp.ErrEventFull) {
					t.Errorf("submit: %v", err)
					return
				}
				record(client, ask{party: party}, call, err == nil)
				if err == nil {
					mine, parties = append(mine, decoded(t, a).ID), append(parties, party)
				}
			}
		})
	}
	wait.Wait()
	refused := 0
	for _, o := range history {
		if !o.Output.(bool) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nobody was refused: the history proves little")
	}
	if result := porcupine.CheckOperationsTimeout(seats(total), history, 3*time.Minute); result != porcupine.Ok {
		t.Fatalf("history of %d operations, %d refusals: %s", len(history), refused, result)
	}
	f.counters(t, event)
}

// A newcomer to the queue learns its place, whichever process it comes to and whoever left before.
func TestPlaceInTheQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desks := []*admission.Desk{f.desk(t), f.desk(t)}
	event := f.event(t, capacity(1))
	var ids []string
	places := map[int]int{}
	for i := range 12 {
		desk := desks[i/3%2] // some batches in a row here, some there
		a, err := desk.Do(t.Context(), f.submit(t, event, guest(i), 1))
		must(t, err)
		v := decoded(t, a)
		ids = append(ids, v.ID)
		places[i] = v.Position
		if i == 7 {
			_, err := desk.Do(t.Context(), f.cancel(event, ids[3])) // third of the queue leaves
			must(t, err)
		}
	}
	for i, want := range []int{0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10} {
		if places[i] != want {
			t.Errorf("guest %d is told place %d, want %d", i, places[i], want)
		}
	}
	f.counters(t, event)
}
