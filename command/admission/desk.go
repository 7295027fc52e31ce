// Package admission is the one way to change an event. Commands on one event queue at the Desk; a goroutine of that
// event, gone when nobody waits, takes all that queued as ONE transaction. There is no timer: whatever queued while the
// last commit ran is the next batch, so an idle event pays nothing and a hot one shares its commits.
//
// desk.go is the queue, line.go the goroutine, settle.go what is done about a database error, decide.go the rules
// applied under the lock, presume.go the batches that need no look, hint.go the refusals that need no lock.
package admission

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/seal"
)

// Config of the desk.
type Config struct {
	// MaxBatch is how many commands one transaction takes.
	MaxBatch int `env:"TURNOUT_COMMAND_BATCH" envDefault:"512"`
	// QueuePerEvent and Queue bound how many commands wait, at one event and in the process; beyond them: overloaded.
	QueuePerEvent int `env:"TURNOUT_COMMAND_QUEUE_PER_EVENT" envDefault:"4096"`
	Queue         int `env:"TURNOUT_COMMAND_QUEUE" envDefault:"16384"`
	// AnswerWithin is how long a caller waits for its answer at the most: with the rest of a request, 2 s.
	AnswerWithin time.Duration `env:"TURNOUT_COMMAND_ANSWER_WITHIN" envDefault:"1800ms"`
	// DecideWithin bounds one transaction, its wait for the lock included.
	DecideWithin time.Duration `env:"TURNOUT_COMMAND_DECIDE_WITHIN" envDefault:"5s"`
	// SweepEvery is how often the desk looks for offers and pending answers that ran out.
	SweepEvery time.Duration `env:"TURNOUT_COMMAND_SWEEP_EVERY" envDefault:"1s"`
	// KeepAnswers is how long an idempotency key gets its answer again.
	KeepAnswers time.Duration `env:"TURNOUT_COMMAND_KEEP_ANSWERS" envDefault:"24h"`
	// Persist is how long a batch is tried again while the database is away or says "again"; 0, but in tests, means a
	// little less than a client waits.
	Persist time.Duration
}

// DefaultConfig has the defaults of the environment.
func DefaultConfig() Config {
	return Config{
		MaxBatch: 512, QueuePerEvent: 4096, Queue: 16384, AnswerWithin: 1800 * time.Millisecond, DecideWithin: 5 * time.Second,
		SweepEvery: time.Second, KeepAnswers: 24 * time.Hour,
	}
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	switch {
	case c.MaxBatch < 1 || c.MaxBatch > 4096:
		return errors.New("TURNOUT_COMMAND_BATCH: want 1 to 4096")
	case c.QueuePerEvent < 1 || c.Queue < c.QueuePerEvent:
		return errors.New("TURNOUT_COMMAND_QUEUE must be at least TURNOUT_COMMAND_QUEUE_PER_EVENT, and that at least 1")
	case c.AnswerWithin <= 0 || c.DecideWithin <= 0 || c.SweepEvery <= 0 || c.KeepAnswers <= 0:
		return errors.New("TURNOUT_COMMAND_*: durations must be positive")
	}
	return nil
}

// Deps are what the desk works with.
type Deps struct {
	Store      *pgstore.Store
	Keyring    *seal.Keyring
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Wake is told the outbox shard of each commit; nil when no relay runs in this process.
	Wake func(shard int)
	// Now is time.Now but in tests.
	Now func() time.Time
}

// Request is a command of somebody.
type Request struct {
	EventID     string
	Command     rsvp.Command
	Actor       rsvp.Actor
	Key         string   // the client's Idempotency-Key; "" = ours
	Scope       string   // event or route, and actor
	RequestHash [32]byte // SHA-256 over method, route and body
	Traceparent string   // W3C trace context, goes into the log
	// Encode makes the answer; pure and quick, for it runs inside the batch. A status of 2xx is stored with its bytes.
	Encode func(rsvp.Outcome) (status int, body []byte, err error)
}

// Answer is what a request gets, the same bytes as often as it is sent.
type Answer struct {
	Status   int
	Body     []byte
	EventID  string
	Version  int64 // of the event after the command
	Revision int64 // of the event: its ETag
	Replayed bool  // the key had been answered before
}

// The refusals of the desk.
var (
	ErrOverloaded   = fault.New(fault.Unavailable, "overloaded", "Too many requests wait for a decision")
	ErrKeyReused    = pgstore.ErrKeyReused // a repeat is refused in the same words wherever it is decided
	ErrStillRunning = pgstore.ErrKeyRunning
)

// retryAfter is what a client is told to wait before it comes back.
const retryAfter = time.Second

// Desk decides. It is safe for concurrent use.
type Desk struct {
	cfg     Config
	store   *pgstore.Store
	answers []seal.Box // that stored answers are in, the current key's first
	log     *slog.Logger
	wake    func(int)
	now     func() time.Time
	metrics *metrics
	slots   chan struct{}   // one per transaction that may run
	base    context.Context // of the process, never of a request

	mu      sync.Mutex
	lines   map[string]*line
	running map[pgstore.Key]int // client keys under way
	queued  int
	pending int // queued, or taken and not answered
	closed  bool
	away    bool                // the last transaction found no database
	full    map[string]struct{} // events that had no seat and no waitlist when last locked
	heads   map[string]*head    // how events were left
	wait    sync.WaitGroup      // of line goroutines
}

// New makes a desk. It decides from now on and until Run has drained it; ctx's end does not stop it.
func New(ctx context.Context, cfg Config, deps Deps) (*Desk, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Persist == 0 {
		cfg.Persist = persist
	}
	keys, err := deps.Keyring.Purpose(seal.PurposeAnswer)
	if err != nil {
		return nil, err
	}
	answers, err := seal.Boxes(keys)
	if err != nil {
		return nil, err
	}
	d := &Desk{
		cfg: cfg, store: deps.Store, answers: answers, log: deps.Log, wake: deps.Wake, now: deps.Now,
		base: context.WithoutCancel(ctx), lines: map[string]*line{}, running: map[pgstore.Key]int{},
		full: map[string]struct{}{}, heads: map[string]*head{},
	}
	if d.wake == nil {
		d.wake = func(int) {}
	}
	if d.now == nil {
		d.now = time.Now
	}
	// Two connections stay for reads: a caller that is only to be authorized must not wait for a hot event.
	d.slots = make(chan struct{}, max(deps.Store.Connections()-2, 1))
	d.metrics, err = newMetrics(deps.Registerer, d)
	return d, err
}

// waiting is a request in the queue.
type waiting struct {
	Request
	key    pgstore.Key
	ours   bool      // the key is ours: nobody can have sent it before
	known  bool      // the key may have been stored by a lost commit of ours
	second bool      // another request with the key was under way when this one came
	since  time.Time // it waits

	taken, dropped bool // under Desk.mu
	done           chan struct{}
	answer         Answer
	err            error
}

// Do decides a command. The error is a fault (a refusal, overload, the database away) or internal. A caller whose
// context ends stops waiting; the command is decided all the same.
func (d *Desk) Do(ctx context.Context, r Request) (Answer, error) {
	w, err := d.enter(r)
	if err != nil {
		return Answer{}, err
	}
	timer := time.NewTimer(d.cfg.AnswerWithin)
	defer timer.Stop()
	select {
	case <-w.done:
		d.metrics.answered(w)
		return w.answer, w.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return Answer{}, d.late(w) // the caller is still there
		}
		return Answer{}, fault.ErrUnavailable.After(retryAfter).Because(context.Cause(ctx))
	case <-timer.C:
		return Answer{}, d.late(w)
	}
}

func newWaiting(r Request) *waiting {
	w := &waiting{Request: r, key: pgstore.Key{Scope: r.Scope, Key: r.Key}, since: time.Now(), done: make(chan struct{})}
	if r.Key == "" {
		// The scope cannot collide with a client's: no client chooses one.
		w.key, w.ours = pgstore.Key{Scope: ownScope, Key: rand.Text()}, true
	}
	return w
}

const ownScope = "own"

func (d *Desk) enter(r Request) (*waiting, error) {
	w := newWaiting(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fault.ErrUnavailable.Detailf("shutting down").After(retryAfter)
	}
	l := d.lines[r.EventID]
	if d.queued >= d.cfg.Queue || l != nil && len(l.queue) >= d.cfg.QueuePerEvent {
		d.metrics.overloaded.Inc()
		return nil, ErrOverloaded.After(retryAfter)
	}
	if l == nil {
		l = &line{desk: d, event: r.EventID}
		d.lines[r.EventID] = l
		d.wait.Go(l.run)
	}
	if !w.ours {
		w.second = d.running[w.key] > 0
		d.running[w.key]++
	}
	l.queue = append(l.queue, w)
	d.queued++
	d.pending++
	return w, nil
}

// late is the answer to a caller who waited too long. Who was not taken yet is not decided at all.
func (d *Desk) late(w *waiting) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case w.second:
		return ErrStillRunning.After(retryAfter)
	case !w.taken:
		w.dropped = true
		return ErrOverloaded.Detailf("not decided").After(retryAfter)
	default:
		return fault.ErrUnavailable.Detailf("the outcome is not known yet; the same Idempotency-Key gets it").After(retryAfter)
	}
}

// finish gives a request its answer. It is called once for each that was taken.
func (d *Desk) finish(w *waiting, a Answer, err error) {
	d.mu.Lock()
	d.leave(w)
	d.mu.Unlock()
	w.answer, w.err = a, err
	close(w.done)
}

// leave forgets a request; the caller holds the mutex.
func (d *Desk) leave(w *waiting) {
	d.pending--
	if w.ours {
		return
	}
	if d.running[w.key]--; d.running[w.key] == 0 {
		delete(d.running, w.key)
	}
}

// Waiting is how many requests no transaction has taken yet.
func (d *Desk) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queued
}

// Pending is how many requests wait or are being decided.
func (d *Desk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pending
}

// Run sweeps until ctx ends, then takes no more requests, decides those that wait and returns.
func (d *Desk) Run(ctx context.Context) error {
	d.sweep(ctx)
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.wait.Wait()
	return nil
}
