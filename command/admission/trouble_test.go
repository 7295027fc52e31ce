package admission_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
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

// greedy is a mistake in the rules: it seats a guest although nothing is left.
type greedy struct{ *rsvp.SubmitRSVP }

func (g greedy) Decide(b *rsvp.Book, by rsvp.Actor, now time.Time) (rsvp.Outcome, error) {
	capacity := b.Counters.Capacity
	b.Counters.Capacity = nil
	defer func() { b.Counters.Capacity = capacity }()
	return g.SubmitRSVP.Decide(b, by, now)
}

// What one request spoils is its own: the others of its batch are decided as if it had not been there.
func TestOneBadRequestFailsAlone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*admission.Request){
		"refused by the database": func(r *admission.Request) { r.Command.(*rsvp.SubmitRSVP).Locale = "a\x00b" },
		"refused by the trigger": func(r *admission.Request) {
			s := r.Command.(*rsvp.SubmitRSVP)
			s.PartySize = 100 // more than there are seats, whoever comes first
			r.Command = greedy{s}
		},
		"answer cannot be made": func(r *admission.Request) {
			r.Encode = func(rsvp.Outcome) (int, []byte, error) { return 0, nil, errors.New("no answer") }
		},
		"panic": func(r *admission.Request) { r.Encode = func(rsvp.Outcome) (int, []byte, error) { panic("oops") } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			desk := f.desk(t)
			event := f.event(t, capacity(63), func(e *contract.Event) { e.MaxParty = 100 })
			requests := make([]admission.Request, 64)
			for i := range requests {
				requests[i] = f.submit(t, event, guest(i), 1)
			}
			spoil(&requests[37])
			unlock := f.lock(t, event) // the first takes the line, the others become one batch
			go func() {
				f.queued(t, desk, 64)
				unlock()
			}()
			answers, errs := atOnce(t.Context(), []*admission.Desk{desk}, requests)
			for i := range requests {
				switch {
				case i == 37:
					if errs[i] == nil || fault.As(errs[i]) != nil {
						t.Errorf("the bad request got %+v, %v", answers[i], errs[i])
					}
				case errs[i] != nil:
					t.Errorf("request %d: %v", i, errs[i])
				case decoded(t, answers[i]).Status != contract.StatusConfirmed:
					t.Errorf("request %d: %s", i, answers[i].Body)
				}
			}
			if c := f.counters(t, event); c.Going != 63 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

// Every connection is killed, again and again, under load: whoever was told that they have a seat has it, once.
func TestConnectionsDieUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desks := []*admission.Desk{f.desk(t), f.desk(t)}
	event := f.event(t)
	var mu sync.Mutex
	ledger := map[string]int64{}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	var unknown atomic.Int64
	for client := range 24 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				r := f.submit(t, event, fmt.Sprintf("g%d-%d", client, i), 1)
				for { // as a client does: the same key until there is an answer
					a, err := desks[client%2].Do(t.Context(), r)
					if err == nil {
						v := decoded(t, a)
						mu.Lock()
						ledger[v.ID] = v.Version
						mu.Unlock()
						break
					}
					if fault.KindOf(err) != fault.Unavailable {
						t.Errorf("client %d: %v", client, err)
						return
					}
					unknown.Add(1)
				}
			}
		})
	}
	for range 8 {
		before := len(snapshot(&mu, ledger))
		testkit.Eventually(t, 20*time.Second, time.Millisecond, func() error {
			if len(snapshot(&mu, ledger)) < before+50 {
				return errors.New("no progress")
			}
			return nil
		})
		_, err := f.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		must(t, err)
	}
	close(stop)
	wait.Wait()
	rows, err := f.pool.Query(t.Context(), `SELECT id::text, version FROM rsvp WHERE event_id = $1`, event)
	must(t, err)
	stored := map[string]int64{}
	for rows.Next() {
		var id string
		var version int64
		must(t, rows.Scan(&id, &version))
		stored[id] = version
	}
	must(t, rows.Err())
	for id, version := range ledger {
		if stored[id] != version {
			t.Errorf("rsvp %s was acknowledged at version %d, the table has it at %d", id, version, stored[id])
		}
	}
	if c := f.counters(t, event); c.Going != len(ledger) || len(stored) != len(ledger) {
		t.Errorf("%d acknowledged, %d rows, counters %+v", len(ledger), len(stored), c)
	}
	t.Logf("%d acknowledged, %d tries without an answer", len(ledger), unknown.Load())
}

func snapshot(mu *sync.Mutex, ledger map[string]int64) []string {
	mu.Lock()
	defer mu.Unlock()
	ids := make([]string, 0, len(ledger))
	for id := range ledger {
		ids = append(ids, id)
	}
	return ids
}

// valve lets connections through, or refuses them as a port does where nobody listens.
type valve struct {
	mu     sync.Mutex
	closed bool
	open   []net.Conn
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	for _, c := range v.open {
		_ = c.Close()
	}
	v.open = nil
}

func (v *valve) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = false
}

func (v *valve) dial(ctx context.Context, network, address string) (net.Conn, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		v.open = append(v.open, conn)
	}
	return conn, err
}

// Without Postgres the answer is 503 with Retry-After, within two seconds; when it is back so are we.
func TestPostgresAwayThenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	v := &valve{}
	cfg, err := pgxpool.ParseConfig(f.url)
	must(t, err)
	cfg.ConnConfig.DialFunc = v.dial
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	must(t, err)
	t.Cleanup(pool.Close)
	desk := f.desk(t, func(c *admission.Config, d *admission.Deps) {
		d.Store, c.AnswerWithin = pgstore.New(pool), admission.DefaultConfig().AnswerWithin
	})
	event := f.event(t)
	before := f.submit(t, event, "before", 1)
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
		_, err := desk.Do(t.Context(), before)
		return err
	})
	v.shut()
	slow := 0 // a few may meet a busy machine; who waited for the database would do so each time
	for i := range 20 {
		began := time.Now()
		_, err := desk.Do(t.Context(), f.submit(t, event, guest(i), 1))
		e := fault.As(err)
		if e == nil || e.Kind != fault.Unavailable || e.RetryAfter <= 0 {
			t.Fatalf("without a database: %v", err)
		}
		if time.Since(began) > 3*time.Second {
			slow++
		}
	}
	if slow > 5 {
		t.Fatalf("%d of 20 refusals took long", slow)
	}
	v.release()
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
		_, err := desk.Do(t.Context(), f.submit(t, event, "after", 1))
		return err
	})
	f.counters(t, event)
}

// Beyond the queue's bound there is a quick 503; whoever stops waiting is decided all the same.
func TestOverloadAndImpatience(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk := f.desk(t, func(c *admission.Config, _ *admission.Deps) { c.QueuePerEvent, c.Queue = 10, 10 })
	event := f.event(t)
	unlock := f.lock(t, event)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	r := f.submit(t, event, "impatient", 1)
	go func() {
		_, err := desk.Do(ctx, r)
		gone <- err
	}()
	f.queued(t, desk, 1)
	cancel()
	if err := <-gone; fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("impatient: %v", err)
	}
	f.taken(t, desk) // the queue is free for ten
	answers := make(chan error, 30)
	for i := range 30 {
		r := f.submit(t, event, guest(i), 1)
		go func() {
			_, err := desk.Do(t.Context(), r)
			answers <- err
		}()
	}
	for range 20 {
		if err := <-answers; !errors.Is(err, admission.ErrOverloaded) || fault.As(err).RetryAfter <= 0 {
			t.Fatalf("beyond the queue: %v", err)
		}
	}
	unlock()
	for range 10 {
		must(t, <-answers)
	}
	if c := f.counters(t, event); c.Going != 11 {
		t.Fatalf("counters %+v", c)
	}
}
