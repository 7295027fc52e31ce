// Package projector writes the read stores from the log on Kafka: one consumer
// group per store, so that each falls behind and catches up on its own. Start
// with Groups: a line per group says what it reads and who writes what.
package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/projector/access"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/availability"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/guestlist"
	"github.com/turnout-events/turnout/projector/listing"
	"github.com/turnout-events/turnout/projector/outcomes"
)

// Config of the projectors.
type Config struct {
	// Refresh is the time until a search of events sees what was written; guest
	// lists take twice and figures four times as long, unless asked for what is
	// new. Default 500 ms.
	Refresh time.Duration `env:"TURNOUT_PROJECTOR_REFRESH" envDefault:"500ms"`
	// MaxBatch is the largest number of messages applied at once. Default 500.
	MaxBatch int `env:"TURNOUT_PROJECTOR_MAX_BATCH" envDefault:"500"`
	// Groups are the only consumer groups that this process runs; none means all.
	Groups []string `env:"TURNOUT_PROJECTOR_GROUPS" envSeparator:","`
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.Refresh < 50*time.Millisecond || c.Refresh > time.Minute {
		return errors.New("projector: TURNOUT_PROJECTOR_REFRESH must be 50ms to 1m")
	}
	if c.MaxBatch < 1 || c.MaxBatch > 10_000 {
		return errors.New("projector: TURNOUT_PROJECTOR_MAX_BATCH must be 1 to 10000")
	}
	return nil
}

// Deps are what the projectors use; they close none of it.
type Deps struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	Kafka    kafkabus.Config
	Elastic  *elastic.Client
	Redis    *redisconn.Conn // with a timeout for large pipelines (seconds)
	Keys     guestlist.Keys
}

// Projector runs all groups. It is a process.Part.
type Projector struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	groups  []group
	refill  *refill
	ready   chan struct{}
}

// group is one consumer group.
type group struct {
	name    string
	topic   string
	index   string // made before anything is consumed; "" for none
	targets *feed.Targets
	handle  kafkabus.Handler
}

// New builds the groups; nothing is connected before Run.
func New(_ context.Context, cfg Config, deps Deps) (*Projector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Registry)
	if err != nil {
		return nil, fmt.Errorf("projector metrics: %w", err)
	}
	p := &Projector{cfg: cfg, deps: deps, metrics: m, ready: make(chan struct{})}
	trackers := map[string]*feed.Tracker{}
	for _, name := range []string{listing.Group, availability.Group, guestlist.Group, analytics.Group} {
		trackers[name] = feed.NewTracker(deps.Redis, name, deps.Log)
		if err := watchGaps(deps.Registry, name, trackers[name]); err != nil {
			return nil, fmt.Errorf("projector metrics: %w", err)
		}
	}
	log, es := deps.Log, deps.Elastic
	to := func(index string) *feed.Targets { return feed.NewTargets(es, index, log) }
	listings, guests, facts, orgs := to(document.Listings), to(document.GuestList), to(document.Facts), to(document.Access)
	mails := to(document.Outcomes)
	seats := availability.New(deps.Redis, trackers[availability.Group].Applied)
	roles := access.New(deps.Redis, es, orgs.Each)
	p.groups = []group{
		{listing.Group, contract.TopicRegistrations, document.Listings, listings,
			listing.New(es, listings.Each, trackers[listing.Group].Applied, log).Handle},
		{availability.Group, contract.TopicRegistrations, "", nil, seats.Handle},
		{guestlist.Group, contract.TopicRegistrations, document.GuestList, guests,
			guestlist.New(es, deps.Keys, guests.Each, trackers[guestlist.Group].Applied, log).Handle},
		{analytics.Group, contract.TopicRegistrations, document.Facts, facts,
			analytics.New(es, facts.Each, trackers[analytics.Group].Applied, feed.NewMarks(deps.Redis, analytics.Group).RaiseFeed).Handle},
		{access.Group, contract.TopicOrganizations, document.Access, orgs, roles.Handle},
		{outcomes.Group, contract.TopicNotifications, document.Outcomes, mails, outcomes.New(es, mails.Each).Handle},
	}
	if p.groups, err = chosen(p.groups, cfg.Groups); err != nil {
		return nil, err
	}
	p.refill = &refill{deps: deps, seats: availability.New(deps.Redis, nothing),
		roles: access.New(deps.Redis, es, feed.Nowhere), count: m.rebuilds}
	return p, nil
}

// chosen leaves the groups that are named.
func chosen(all []group, names []string) ([]group, error) {
	if len(names) == 0 {
		return all, nil
	}
	var some []group
	for _, name := range names {
		i := slices.IndexFunc(all, func(g group) bool { return g.name == name })
		if i < 0 {
			return nil, fmt.Errorf("projector: TURNOUT_PROJECTOR_GROUPS: there is no group %q", name)
		}
		some = append(some, all[i])
	}
	return some, nil
}

// rests are what a group waits after a small request to Elasticsearch: an event
// is written less than twenty times a second, however many answer. Who asks for a
// version waits for it, and is not shown less. Who has a role is known at once.
var rests = map[string]time.Duration{
	document.Listings: 50 * time.Millisecond, document.GuestList: 100 * time.Millisecond,
	document.Facts: 200 * time.Millisecond, document.Outcomes: 200 * time.Millisecond,
}

func nothing(context.Context, []feed.Item) {}

// Name is for logs.
func (p *Projector) Name() string { return "projector" }

// Ready is closed once the groups are started. They wait for their stores by
// themselves: a store that is away keeps no process from starting.
func (p *Projector) Ready() <-chan struct{} { return p.ready }

// Run consumes until ctx ends; the batches under way are finished or given up
// as a whole, and their offsets with them.
func (p *Projector) Run(ctx context.Context) error {
	failed := make(chan error, len(p.groups))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	for _, g := range p.groups {
		if g.targets != nil {
			wait.Go(func() { g.targets.Watch(ctx) })
		}
		wait.Go(func() {
			if err := p.consume(ctx, g); err != nil {
				failed <- fmt.Errorf("projector %s: %w", g.name, err)
				cancel()
			}
		})
	}
	wait.Go(func() { p.refill.watch(ctx) })
	close(p.ready)
	wait.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (p *Projector) consume(ctx context.Context, g group) error {
	log := p.deps.Log.With("group", g.name)
	if g.index != "" && !p.awaitIndex(ctx, g, log) {
		return nil
	}
	if g.targets != nil {
		g.targets.Refresh(ctx)
	}
	handle := g.handle
	var beside sync.WaitGroup
	defer beside.Wait()
	besides, stop := context.WithCancel(ctx)
	defer stop()
	if g.name == listing.Group {
		fresh := newFreshener(p.deps.Elastic, g.index, log)
		beside.Go(func() { fresh.run(besides) })
		handle = fresh.around(handle)
	}
	if g.index != "" {
		all := newTogether(ctx, handle, p.cfg.MaxBatch, rests[g.index])
		defer all.wait()
		handle = all.Handle
		beside.Go(func() { p.watchIndex(besides, g, log) })
	}
	return kafkabus.Consume(ctx, p.deps.Kafka, g.name, []string{g.topic}, handle, kafkabus.ConsumeOptions{
		MaxBatch: p.cfg.MaxBatch, MaxBackoff: 5 * time.Second, Log: log, OnBatch: p.metrics.onBatch(g.name),
	})
}

// awaitIndex makes the index, however long its store is away. False: ctx ended.
func (p *Projector) awaitIndex(ctx context.Context, g group, log *slog.Logger) bool {
	pause := 200 * time.Millisecond
	for {
		err := p.index(ctx, g, log)
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			log.WarnContext(ctx, "index not ready, trying again", "index", g.index, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, 5*time.Second)
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}
