package soldout_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/command/soldout"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// truth is a store whose event is over its capacity by its version, so that a refusal tells which version it is of.
type truth struct {
	version       atomic.Int64
	looks, counts atomic.Int64
	asked         chan struct{} // told of each look, if anybody wants to know
	answer        chan error    // waited for by each look, if it is there
}

func (s *truth) Version(context.Context, string) (int64, error) {
	v := s.version.Load()
	s.looks.Add(1)
	if s.asked != nil {
		s.asked <- struct{}{}
	}
	if s.answer != nil {
		return v, <-s.answer
	}
	return v, nil
}

func (s *truth) Census(_ context.Context, eventID, _ string, _ int) (*pgstore.Census, error) {
	v := s.version.Load()
	s.counts.Add(1)
	capacity := 10
	return &pgstore.Census{
		Version: v, Counters: contract.Counters{Capacity: &capacity, Going: capacity + int(v)},
		Event: contract.Event{
			ID: eventID, Status: contract.EventPublished, WaitlistPolicy: contract.WaitlistNone, MaxParty: 4,
			RSVPClosesAt: now().Add(time.Hour), EndsAt: now().Add(2 * time.Hour),
		},
		Addresses: map[string]struct{}{"ada": {}}, Keys: map[string]struct{}{"k": {}},
	}, nil
}

func now() time.Time { return time.Date(2027, 6, 1, 17, 0, 0, 0, time.UTC) }

func board(t *testing.T, s soldout.Store) *soldout.Board {
	t.Helper()
	b, err := soldout.New(s, func(err error) error { return fmt.Errorf("dressed: %w", err) }, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ask(key, address string) soldout.Ask {
	return soldout.Ask{EventID: "e", Key: key, Address: []byte(address), Response: contract.Going, People: 1}
}

// versionOf is what a refusal was decided by.
func versionOf(t *testing.T, err error) int64 {
	t.Helper()
	left, ok := fault.As(err).Extra["remaining"].(int)
	if !ok || !errors.Is(err, rsvp.ErrEventFull) {
		t.Fatalf("refused with %v", err)
	}
	return -int64(left)
}

// Whoever may have been answered before, and whoever asks before the event was full, is sent to the desk.
func TestOnlyStrangersAreRefused(t *testing.T) {
	t.Parallel()
	s := &truth{}
	b := board(t, s)
	refuse := func(a soldout.Ask) error {
		_, err := b.Refuse(t.Context(), a, now)
		return err
	}
	if err := refuse(ask("new", "bob")); err != nil || s.looks.Load() > 0 {
		t.Errorf("an event that nobody called full: %v after %d looks", err, s.looks.Load())
	}
	b.Mark("e")
	maybe := ask("new", "bob")
	maybe.Response = contract.Maybe
	for what, a := range map[string]soldout.Ask{"an address": ask("new", "ada"), "a key": ask("k", "bob"), "no seat wanted": maybe} {
		if err := refuse(a); err != nil {
			t.Errorf("%s that is known: %v", what, err)
		}
	}
	if err := refuse(ask("new", "bob")); versionOf(t, err) != 0 || err.Error()[:8] != "dressed:" {
		t.Error(err)
	}
	if s.counts.Load() != 1 {
		t.Errorf("%d censuses of one version", s.counts.Load())
	}
}

// Nobody is refused by what was found before they came, however many ask while it changes.
func TestALookIsNeverOlderThanTheRequest(t *testing.T) {
	t.Parallel()
	s := &truth{}
	b := board(t, s)
	b.Mark("e")
	var wg sync.WaitGroup
	var refused atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				if g == 0 && i%10 == 0 {
					s.version.Add(1)
				}
				came := s.version.Load()
				if _, err := b.Refuse(t.Context(), ask("new", "bob"), now); err != nil {
					refused.Add(1)
					if by := versionOf(t, err); by < came {
						t.Errorf("came at version %d, was refused by version %d", came, by)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if refused.Load() == 0 {
		t.Error("nobody was refused")
	}
}

// All who come while somebody looks share the next look; a look that fails refuses nobody and is not tried again.
func TestOneLookServesAllWhoWait(t *testing.T) {
	t.Parallel()
	s := &truth{asked: make(chan struct{}), answer: make(chan error)}
	b := board(t, s)
	b.Mark("e")
	answers := make(chan error, 21)
	come := func() {
		_, err := b.Refuse(t.Context(), ask("new", "bob"), now)
		answers <- err
	}
	var wg sync.WaitGroup
	wg.Go(come)
	<-s.asked // the first looks, and will until it is told
	var here sync.WaitGroup
	here.Add(20)
	for range 20 {
		wg.Go(func() { here.Done(); come() })
	}
	here.Wait()
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	s.answer <- nil
	for waiting := true; waiting; {
		select {
		case <-s.asked:
			s.answer <- nil
		case <-over:
			waiting = false
		}
	}
	for range 21 {
		if err := <-answers; !errors.Is(err, rsvp.ErrEventFull) {
			t.Error(err)
		}
	}
	looks := s.looks.Load()
	if looks > 12 { // a goroutine may be late, but not most of them
		t.Errorf("%d looks for one and twenty", looks)
	}
	go come()
	<-s.asked
	s.answer <- errors.New("away")
	if err := <-answers; err != nil {
		t.Errorf("a look that failed: %v", err)
	}
	if looked, err := b.Refuse(t.Context(), ask("new", "bob"), now); looked || err != nil || s.looks.Load() != looks+1 {
		t.Errorf("after a look that failed: %v, %d looks", err, s.looks.Load())
	}
}
