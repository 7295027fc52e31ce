package admission_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// move is what a guest does at an event with a waitlist: join, leave, accept or decline an offer, or look.
type move struct {
	what     string
	id, size int
}

// told is what the guest learns.
type told struct {
	status  string // joining and looking
	place   int    // joining the queue; 0: not told
	refused bool   // accepting and declining
}

// party is one that waits, has an offer or has seats.
type party struct {
	id, size int
	status   string
}

// hall is the event as a guest may think of it: free seats, and the parties in the order in which they came.
type hall struct {
	free    int
	parties []party
}

// queue is a model of the waitlist: seats that come free go to the first who wait and fit, as status promoted.
func queue(seats int, promoted string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return hall{free: seats} },
		Equal: func(a, b any) bool {
			x, y := a.(hall), b.(hall)
			return x.free == y.free && slices.Equal(x.parties, y.parties)
		},
		Step: func(state, input, output any) (bool, any) {
			h, m, o := state.(hall), input.(move), output.(told)
			h.parties = slices.Clone(h.parties)
			if m.what == "join" {
				p, place := party{m.id, m.size, contract.StatusConfirmed}, 0
				if m.size > h.free {
					p.status, place = contract.StatusWaitlisted, 1
					for _, q := range h.parties {
						if q.status == contract.StatusWaitlisted {
							place++
						}
					}
				} else {
					h.free -= m.size
				}
				h.parties = append(h.parties, p)
				return o.status == p.status && (o.place == 0 || o.place == place), h
			}
			at := slices.IndexFunc(h.parties, func(p party) bool { return p.id == m.id })
			if at < 0 {
				return false, h
			}
			p := &h.parties[at]
			switch m.what {
			case "look":
				return o.status == p.status, h
			case "accept", "decline":
				if o.refused || p.status != contract.StatusOffered {
					return o.refused && p.status != contract.StatusOffered, h
				}
				if m.what == "accept" {
					p.status = contract.StatusConfirmed
					return true, h
				}
			}
			if p.status != contract.StatusWaitlisted {
				h.free += p.size
			}
			h.parties = slices.Delete(h.parties, at, at+1)
			for i := range h.parties {
				if q := &h.parties[i]; q.status == contract.StatusWaitlisted && q.size <= h.free {
					q.status, h.free = promoted, h.free-q.size
				}
			}
			return true, h
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
	}
}

// Under every policy with a waitlist, clients of two processes see seats, places, promotions and offers as if all had come
// one after the other.
func TestTheQueuesHistoryIsLinearizable(t *testing.T) {
	t.Parallel()
	for policyName, promoted := range map[string]string{contract.WaitlistAuto: contract.StatusConfirmed, contract.WaitlistOffer: contract.StatusOffered} {
		t.Run(policyName, func(t *testing.T) {
			t.Parallel()
			const total, clients, rounds = 20, 5, 24
			f := newFixture(t)
			desks := []*admission.Desk{f.desk(t), f.desk(t)}
			event := f.event(t, capacity(total), policy(policyName))
			var mu sync.Mutex
			var history []porcupine.Operation
			seen := map[string]int{}
			began := time.Now()
			record := func(client int, in move, call time.Duration, out told) {
				mu.Lock()
				defer mu.Unlock()
				history = append(history, porcupine.Operation{
					ClientId: client, Input: in, Call: call.Nanoseconds(), Output: out, Return: time.Since(began).Nanoseconds(),
				})
				seen[in.what+" "+out.status]++
			}
			var wait sync.WaitGroup
			for client := range clients {
				wait.Go(func() {
					q := &queuer{f: f, desks: desks, event: event, client: client, random: rand.New(rand.NewPCG(uint64(client), 3))}
					for range rounds {
						in := q.next()
						call := time.Since(began)
						out, err := q.do(t, in)
						if err != nil {
							t.Errorf("%+v: %v", in, err)
							return
						}
						record(client, in, call, out)
					}
				})
			}
			wait.Wait()
			if seen["join "+contract.StatusWaitlisted] == 0 || seen["look "+promoted] == 0 {
				t.Errorf("the history proves little: %v", seen)
			}
			if result := porcupine.CheckOperationsTimeout(queue(total, promoted), history, 2*time.Minute); result != porcupine.Ok {
				t.Fatalf("history of %d operations, %v: %s", len(history), seen, result)
			}
			t.Log(seen)
			f.counters(t, event)
		})
	}
}

// queuer is a client that has parties at the event.
type queuer struct {
	f      *fixture
	desks  []*admission.Desk
	event  string
	client int
	random *rand.Rand
	made   int
	mine   []move // how each joined
	ids    map[int]string
}

func (q *queuer) next() move {
	if q.random.IntN(1+len(q.mine)) == 0 { // a few parties each, or nobody would ever get a seat
		q.made++
		return move{"join", 1000*q.client + q.made, 1 + q.random.IntN(3)}
	}
	m := q.mine[q.random.IntN(len(q.mine))]
	m.what = []string{"leave", "leave", "look", "look", "accept", "decline"}[q.random.IntN(6)]
	return m
}

func (q *queuer) do(t *testing.T, m move) (told, error) {
	t.Helper()
	desk, id := q.desks[q.random.IntN(len(q.desks))], q.ids[m.id]
	request := q.f.cancel(q.event, id)
	switch m.what {
	case "join":
		a, err := desk.Do(t.Context(), q.f.submit(t, q.event, fmt.Sprint("q", m.id), m.size))
		if err != nil {
			return told{}, err
		}
		v := decoded(t, a)
		if q.ids == nil {
			q.ids = map[int]string{}
		}
		q.mine, q.ids[m.id] = append(q.mine, m), v.ID
		return told{status: v.Status, place: v.Position}, nil
	case "look":
		var o told
		return o, q.f.pool.QueryRow(t.Context(), `SELECT status FROM rsvp WHERE id = $1`, id).Scan(&o.status)
	case "accept":
		request.Command = &rsvp.AcceptOffer{RSVPID: id}
	case "decline":
		request.Command = &rsvp.DeclineOffer{RSVPID: id}
	}
	_, err := desk.Do(t.Context(), request)
	if errors.Is(err, rsvp.ErrWrongState) && m.what != "leave" {
		return told{refused: true}, nil
	}
	if err == nil && m.what != "accept" {
		q.mine = slices.DeleteFunc(q.mine, func(o move) bool { return o.id == m.id })
	}
	return told{}, err
}
