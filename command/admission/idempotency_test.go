package admission_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/testkit"
)

func TestSameKeySameBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	event := f.event(t, capacity(1), policy(contract.WaitlistNone))
	r := f.submit(t, event, "ada", 1)
	first, err := f.desk(t).Do(t.Context(), r)
	must(t, err)
	other := f.desk(t) // as after a crash: nothing is remembered in the process
	for range 3 {
		again, err := other.Do(t.Context(), r)
		must(t, err)
		if !bytes.Equal(again.Body, first.Body) || again.Status != first.Status || again.Version != first.Version ||
			again.Revision != first.Revision || again.EventID != first.EventID || !again.Replayed || first.Replayed {
			t.Fatalf("first %+v, again %+v", first, again)
		}
	}
	r.RequestHash = sha256.Sum256([]byte("another body"))
	if _, err := other.Do(t.Context(), r); !errors.Is(err, admission.ErrKeyReused) {
		t.Fatalf("another body with the same key: %v", err)
	}
	// A refusal is not kept: when there is room, the same key gets in.
	full := f.submit(t, event, "grace", 1)
	if _, err := other.Do(t.Context(), full); !errors.Is(err, rsvp.ErrEventFull) {
		t.Fatalf("full event: %v", err)
	}
	_, err = other.Do(t.Context(), f.cancel(event, decoded(t, first).ID))
	must(t, err)
	in, err := other.Do(t.Context(), full)
	must(t, err)
	if decoded(t, in).Status != contract.StatusConfirmed || in.Replayed {
		t.Fatalf("after the refusal: %+v", in)
	}
	f.counters(t, event)
}

// One guest presses the button many times, on several processes, with one key and with many.
func TestDoubleClicks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desks := []*admission.Desk{f.desk(t), f.desk(t)}
	event := f.event(t)
	same := make([]admission.Request, 60)
	one := f.submit(t, event, "ada", 2)
	for i := range same {
		same[i] = one
	}
	answers, errs := atOnce(t.Context(), desks, same)
	must(t, errors.Join(errs...))
	fresh := 0
	for _, a := range answers {
		if !bytes.Equal(a.Body, answers[0].Body) {
			t.Fatalf("answers %s and %s", a.Body, answers[0].Body)
		}
		if !a.Replayed {
			fresh++
		}
	}
	if fresh != 1 {
		t.Fatalf("%d answers claim to be the first", fresh)
	}
	others := make([]admission.Request, 60)
	for i := range others {
		others[i] = f.submit(t, event, "grace", 1) // an RSVP id of its own each
		others[i].Key = guest(i)
	}
	_, errs = atOnce(t.Context(), desks, others)
	in := 0
	for i := range others {
		switch {
		case errs[i] == nil:
			in++
		case !errors.Is(errs[i], rsvp.ErrAlreadyAnswered):
			t.Fatal(errs[i])
		}
	}
	if c := f.counters(t, event); in != 1 || c.Going != 3 {
		t.Fatalf("%d answers of one address, counters %+v", in, c)
	}
}

// cutter breaks connections around a write that holds a marker.
type cutter struct {
	marker []byte
	mode   atomic.Int32
	cuts   atomic.Int32
}

const (
	cutNothing int32 = iota
	cutBefore        // the server never sees the commit
	cutAfter         // the server commits, its answer is lost
)

type cutConn struct {
	net.Conn
	cutter *cutter
	dead   atomic.Bool
	blind  atomic.Bool
}

var errCut = errors.New("connection cut by the test")

func (c *cutConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return 0, errCut
	}
	if bytes.Contains(b, c.cutter.marker) {
		switch c.cutter.mode.Swap(cutNothing) {
		case cutBefore:
			c.cutter.cuts.Add(1)
			c.dead.Store(true)
			_ = c.Close()
			return 0, errCut
		case cutAfter:
			c.cutter.cuts.Add(1)
			c.blind.Store(true)
		}
	}
	return c.Conn.Write(b)
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.blind.Load() && n > 0 { // the server has answered: it has committed
		c.dead.Store(true)
		_ = c.Close()
		return 0, errCut
	}
	return n, err
}

func (f *fixture) cuttable(t *testing.T, c *cutter) *pgstore.Store {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(f.url)
	must(t, err)
	cfg.MaxConns = 6
	dial := (&net.Dialer{}).DialContext
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &cutConn{Conn: conn, cutter: c}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	must(t, err)
	t.Cleanup(pool.Close)
	return pgstore.New(pool)
}

// The answer to COMMIT is lost: the batch runs again, finds its own keys, and everybody gets the answer of the one
// decision; with the client's keys and with ours.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]int32{"before": cutBefore, "after": cutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := &cutter{marker: []byte("rsvp.confirmed.v1")}
			desk := f.desk(t, func(cfg *admission.Config, d *admission.Deps) {
				d.Store, cfg.Persist = f.cuttable(t, c), 30*time.Second // or an attempt that took long is the last one
			})
			event := f.event(t, capacity(1000))
			for round := range 6 {
				requests := make([]admission.Request, 20)
				for i := range requests {
					requests[i] = f.submit(t, event, guest(100*round+i), 1)
					if i%2 == 0 {
						requests[i].Key = ""
					}
				}
				c.mode.Store(mode)
				answers, errs := atOnce(t.Context(), []*admission.Desk{desk}, requests)
				must(t, errors.Join(errs...))
				for i, a := range answers {
					if v := decoded(t, a); v.Status != contract.StatusConfirmed || v.ID != requests[i].Command.(*rsvp.SubmitRSVP).RSVPID {
						t.Fatalf("answer %+v", v)
					}
				}
			}
			if n := f.counters(t, event).Going; n != 120 || c.cuts.Load() != 6 {
				t.Fatalf("%d going after %d cuts, want 120 after 6", n, c.cuts.Load())
			}
		})
	}
}

func TestCreateOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk := f.desk(t)
	starts := time.Now().Add(72 * time.Hour).UTC().Truncate(time.Second)
	request := func(external, key string) admission.CreateRequest {
		book, err := rsvp.NewEvent(&rsvp.EventInput{
			OrganizationID: f.org, ExternalID: external, Title: rsvp.Some("Reading"), StartsAt: rsvp.Some(starts.Format(time.RFC3339)),
			EndsAt: rsvp.Some(starts.Add(time.Hour).Format(time.RFC3339)), TimeZone: rsvp.Some("Europe/Berlin"),
		}, rsvp.Birth{EventID: newID(t), Suffix: "abc" + newID(t)[24:]}, rsvp.DefaultLimits(), rsvp.MemberActor(newID(t)), time.Now())
		must(t, err)
		return admission.CreateRequest{
			Books: []*rsvp.Book{book}, Key: key, Scope: "POST events", RequestHash: sha256.Sum256([]byte(external)),
			Encode: func(b []*rsvp.Book) (int, []byte, error) { return 201, []byte(b[0].Event.ID), nil },
		}
	}
	var mu sync.Mutex
	ids := map[string]int{}
	var wait sync.WaitGroup
	for range 8 { // the same request at once: one event
		r := request("ext-1", "k1")
		wait.Go(func() {
			a, err := desk.Create(t.Context(), r)
			for errors.Is(err, admission.ErrStillRunning) { // as a client does that is told to come back
				a, err = desk.Create(t.Context(), r)
			}
			if err != nil {
				t.Errorf("create: %v", err)
				return
			}
			mu.Lock()
			ids[string(a.Body)+a.EventID]++
			mu.Unlock()
		})
	}
	wait.Wait()
	if len(ids) != 1 {
		t.Fatalf("answers %v", ids)
	}
	_, err := desk.Create(t.Context(), request("ext-1", "k2"))
	if !errors.Is(err, pgstore.ErrExternalIDTaken) {
		t.Fatalf("the same external id: %v", err)
	}
	_, err = desk.Create(t.Context(), request("ext-2", "k1"))
	if !errors.Is(err, admission.ErrKeyReused) {
		t.Fatalf("the same key for another event: %v", err)
	}
	var events int
	must(t, f.pool.QueryRow(t.Context(), `SELECT count(*) FROM event`).Scan(&events))
	if events != 1 {
		t.Fatalf("%d events", events)
	}
}

// A key that comes again while its first request still runs waits, and is told so after a while.
func TestStillRunning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk := f.desk(t, func(c *admission.Config, _ *admission.Deps) { c.AnswerWithin = time.Second })
	event := f.event(t)
	unlock := f.lock(t, event)
	r := f.submit(t, event, "ada", 1)
	first := make(chan error, 1)
	go func() {
		_, err := desk.Do(t.Context(), r)
		first <- err
	}()
	f.queued(t, desk, 1)
	if _, err := desk.Do(t.Context(), r); !errors.Is(err, admission.ErrStillRunning) {
		t.Fatalf("the second: %v", err)
	}
	if err := <-first; fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("the first: %v", err)
	}
	unlock()
	testkit.Eventually(t, 5*time.Second, 10*time.Millisecond, func() error {
		_, err := desk.Do(t.Context(), r)
		return err
	})
	if c := f.counters(t, event); c.Going != 1 {
		t.Fatalf("counters %+v", c)
	}
}
