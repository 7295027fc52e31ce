package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/breaker"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// Channel delivers one notice. Nil means that the other side has it; otherwise
// it is one of the outcomes of package notice, or a fault of ours. Deliver is
// called by several goroutines at once.
type Channel interface {
	Name() string
	Deliver(ctx context.Context, d *notice.Delivery, p contract.Personal, now time.Time) error
	Close()
}

// Keys gives the data keys of RSVPs; *seal.KeyClient is the real one.
type Keys interface {
	Fetch(ctx context.Context, ids []string) (seal.DataKeys, error)
}

// deliverer brings the due notices of one channel to its workers and their
// results to the store. The truth is in the rows: whatever is lost here is
// claimed again when its lease ends.
type deliverer struct {
	channel Channel
	store   *pgstore.Store
	keys    Keys
	clock   clockwork.Clock
	log     *slog.Logger
	metrics *metrics
	holder  string // names this process in claimed rows
	workers int
	lease   time.Duration
	// identity is the keyed identity of an address (seal.Keyring.EmailHMAC).
	identity func(address string) []byte

	recorded func() // results are in the store
	// gate says what becomes of a notice that may not go after all; nil: it may.
	gate    func(ctx context.Context, n *notice.Notice, now time.Time) (*pgstore.Result, error)
	wake    chan struct{}
	first   queue
	rest    queue
	results chan finished
	held    held
	waiting waiting
	working sync.WaitGroup
	slow    atomic.Int32 // workers that have waited for an answer longer than slowAfter
	breaker breaker.Breaker
}

// job is a delivery with the guest's data, which exist in clear only here.
type job struct {
	d   *notice.Delivery
	p   contract.Personal
	end *pgstore.Result // it does not go; this becomes of it
	at  time.Time       // when it was loaded
}

const (
	// perWorker bounds how much is claimed ahead: enough that a worker never
	// waits for a claim, little enough to be done within the lease.
	perWorker = 64
	// maxClaim is also what the key endpoint answers at once.
	maxClaim = seal.MaxKeyIDs
)

// run blocks until ctx ends, and then finishes what the workers have begun.
func (d *deliverer) run(ctx context.Context) error {
	capacity := d.workers * perWorker
	d.first.lanes, d.first.work = notice.LanesFirst, make(chan *job, capacity)
	d.rest.lanes, d.rest.work = notice.LanesRest, make(chan *job, capacity)
	d.results = make(chan finished, 2*capacity)
	var recording, keeping sync.WaitGroup
	late, cancel := linger(ctx, mailDrain)
	defer cancel()
	last, cancelLast := linger(ctx, recordDrain)
	defer cancelLast()
	kept, done := context.WithCancel(context.WithoutCancel(ctx))
	keeping.Go(func() { d.keep(kept) })
	recording.Go(func() { d.record(last) })
	for range d.workers {
		d.working.Go(func() { d.workLoop(ctx, late) })
	}
	for {
		select {
		case <-ctx.Done():
			close(d.first.work)
			close(d.rest.work)
			d.working.Wait()
			close(d.results)
			recording.Wait()
			done()
			keeping.Wait()
			d.channel.Close()
			return nil
		case <-d.wake:
			if err := errors.Join(d.pump(ctx, &d.first), d.pump(ctx, &d.rest)); err != nil && ctx.Err() == nil {
				d.log.WarnContext(ctx, "cannot claim notices, trying again", "channel", d.channel.Name(), "error", err)
			}
		}
	}
}

// poke makes the deliverer look for due notices; it never blocks.
func (d *deliverer) poke() {
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// pump claims until nothing is due or the workers have enough.
func (d *deliverer) pump(ctx context.Context, q *queue) error {
	capacity := cap(q.work)
	for ctx.Err() == nil {
		now := d.clock.Now().UTC()
		free := capacity - int(q.inFlight.Load())
		if free < capacity/2 || d.breaker.Open(now) {
			return nil // the recorder, or a tick, pokes again
		}
		limit := min(free, maxClaim)
		claimed, err := d.store.Claim(ctx, d.channel.Name(), d.holder, now, d.lease, limit, q.lanes...)
		for i := range claimed {
			d.queueOf(&claimed[i]).inFlight.Add(1)
		}
		q.more.Store(len(claimed) == limit)
		if len(claimed) > 0 {
			d.prepare(ctx, claimed, now)
		}
		if err != nil {
			return err
		}
		if len(claimed) < limit {
			return nil
		}
	}
	return nil
}

// prepare hands claimed notices to the workers, but for those that do not go.
func (d *deliverer) prepare(ctx context.Context, claimed []notice.Notice, now time.Time) {
	for _, j := range d.look(ctx, claimed, now) {
		if j.end != nil {
			d.finish(j.d, *j.end)
			continue
		}
		q := d.queueOf(&j.d.Notice) // before another worker may look at it again
		d.waiting.add(j)
		q.work <- j // never blocks: capacity bounds what is in flight
	}
}

// look loads what claimed notices are about, opens the guests' data, and ends
// those that are of no use any more. What cannot be loaded goes back.
func (d *deliverer) look(ctx context.Context, claimed []notice.Notice, now time.Time) []*job {
	jobs, err := d.load(ctx, claimed, now)
	if err == nil {
		return jobs
	}
	if ctx.Err() == nil {
		d.log.WarnContext(ctx, "cannot prepare notices, trying again", "channel", d.channel.Name(), "count", len(claimed), "error", err)
	}
	d.breaker.Failed(now)
	jobs = make([]*job, len(claimed))
	for i := range claimed {
		jobs[i] = &job{d: &notice.Delivery{Notice: claimed[i]}, end: &pgstore.Result{State: notice.Planned, Outcome: "not-prepared"}}
	}
	return jobs
}

func (d *deliverer) load(ctx context.Context, claimed []notice.Notice, now time.Time) ([]*job, error) {
	deliveries, err := d.store.Load(ctx, claimed, now)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(deliveries))
	for _, x := range deliveries {
		switch {
		case x.Guest != nil && !x.Guest.Erased:
			ids = append(ids, x.Guest.RSVPID)
		case x.Member != nil:
			ids = append(ids, x.Member.AccountID)
		}
	}
	keys, err := d.keys.Fetch(ctx, ids)
	if err != nil {
		return nil, err
	}
	jobs := make([]*job, len(deliveries))
	for i, x := range deliveries {
		jobs[i] = d.readable(ctx, x, keys, now)
	}
	if err := d.markSuppressed(ctx, jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j.end != nil {
			continue
		}
		if reason, ok := StillUseful(j.d, now); !ok {
			j.end = &pgstore.Result{State: notice.Void, Outcome: reason, Finished: now}
		}
	}
	return jobs, nil
}

// readable opens the guest's data of a delivery, or ends it when it is of no
// use any more or there are none.
func (d *deliverer) readable(ctx context.Context, x *notice.Delivery, keys seal.DataKeys, now time.Time) *job {
	if reason, ok := StillUseful(x, now); !ok {
		return &job{d: x, end: &pgstore.Result{State: notice.Void, Outcome: reason, Finished: now}}
	}
	p, reason, err := d.openFor(x, keys)
	if x.Notice.Channel == notice.ChannelPush && err == nil && (reason == "" || reason == VoidNoAddress) {
		reason, err = "", openDevice(x.Device, keys)
	}
	j := &job{d: x, p: p, at: now}
	switch {
	case err != nil:
		d.log.ErrorContext(ctx, "personal data cannot be read", "notification", x.Notice.ID, "rsvp", x.Notice.RSVPID, "account", x.Notice.AccountID, "error", err)
		j.end = &pgstore.Result{State: notice.Dead, Outcome: "unreadable", Finished: now}
	case reason == keyUnknown:
		j.end = &pgstore.Result{State: notice.Planned, Outcome: reason, NextAt: now.Add(5 * time.Second)}
	case reason != "":
		j.end = &pgstore.Result{State: notice.Void, Outcome: reason, Finished: now}
	}
	return j
}

// markSuppressed notes on deliveries what is on record for their addresses.
func (d *deliverer) markSuppressed(ctx context.Context, jobs []*job) error {
	hmacs := make([][]byte, 0, len(jobs))
	for _, j := range jobs {
		if j.end == nil {
			hmacs = append(hmacs, j.p.EmailHMAC)
		}
	}
	if len(hmacs) == 0 {
		return nil
	}
	found, err := d.store.Suppressions(ctx, hmacs)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		for _, one := range found[string(j.p.EmailHMAC)] {
			switch {
			case one.OrganizationID != "" && one.OrganizationID != j.d.Notice.OrganizationID:
			case one.Reason == pgstore.Unsubscribed:
				j.d.Unsubscribed = true
			default:
				j.d.Suppressed = one.Reason
			}
		}
	}
	return nil
}

// keyUnknown: the row of the key is younger than its message's way here, or
// the two stores do not belong together.
const keyUnknown = "key-not-known-yet"

// open reads the guest's data; a reason says why there are none.
func open(g *notice.Guest, keys seal.DataKeys) (p contract.Personal, reason string, err error) {
	reason, err = unseal(g.RSVPID, g.Sealed, keys, &p)
	if reason != "" || err != nil {
		return p, reason, err
	}
	if p.Email == "" {
		return p, VoidNoAddress, nil
	}
	return p, "", nil
}

// unseal reads what is sealed for an owner.
func unseal(owner string, sealed []byte, keys seal.DataKeys, into any) (reason string, err error) {
	key, there := keys.Keys[owner]
	switch {
	case keys.Gone[owner]:
		return VoidErased, nil
	case !there:
		return keyUnknown, nil
	}
	plain, err := seal.Open(key, sealed, owner)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(plain, into); err != nil {
		return "", errors.New("not the JSON of personal data") // its error could quote them
	}
	return "", nil
}

func (d *deliverer) finish(x *notice.Delivery, r pgstore.Result) {
	r.ID, r.Fence = x.Notice.ID, x.Notice.Fence
	d.metrics.finished(x.Notice.Kind, d.channel.Name(), r.State)
	d.results <- finished{Result: r, queue: d.queueOf(&x.Notice)}
}
