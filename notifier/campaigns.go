package notifier

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// campaigns turns campaigns into notices and lets their mail go as the hourly
// limit allows. All that it knows is in rows: what a crash interrupts goes on
// from the mark that the last batch left.
type campaigns struct {
	store   *pgstore.Store
	keys    Keys
	clock   clockwork.Clock
	log     *slog.Logger
	perHour int
	deliver func() // has due notices looked for
	wake    chan struct{}

	mu    sync.Mutex
	state map[string]seenState // by campaign, for at most stateFor
}

type seenState struct {
	state campaign.State
	at    time.Time
}

const (
	// planBatch is how many recipients are planned in a transaction.
	planBatch = 500
	// stateFor is how long a mail may still go after its campaign was paused by
	// another process; shorter than a tick.
	stateFor = 100 * time.Millisecond
)

func (c *campaigns) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// changed forgets how campaigns stood, because a member has just moved one.
func (c *campaigns) changed() {
	c.mu.Lock()
	clear(c.state)
	c.mu.Unlock()
	c.poke()
}

// run blocks until ctx ends.
func (c *campaigns) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		}
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "campaigns wait, trying again", "error", err)
		}
	}
}

// round does all there is to do now.
func (c *campaigns) round(ctx context.Context) error {
	now := c.clock.Now().UTC()
	due, err := c.store.DueCampaigns(ctx, now)
	if err != nil {
		return err
	}
	var failed []error // the rest does not wait for what cannot be planned: it may be another organization's
	for _, one := range due {
		failed = append(failed, c.plan(ctx, one))
	}
	failed = append(failed, c.release(ctx), c.store.VoidCancelled(ctx, now))
	_, err = c.store.FinishCampaigns(ctx, now)
	return errors.Join(append(failed, err)...)
}

func (c *campaigns) release(ctx context.Context) error {
	released, err := c.store.Release(ctx, c.perHour, c.clock.Now().UTC())
	if released > 0 {
		c.deliver()
	}
	return err
}

// plan fixes the recipients, and then plans them batch by batch. It ends early,
// without an error, when somebody pauses or cancels the campaign.
func (c *campaigns) plan(ctx context.Context, one pgstore.Campaign) error {
	ev, err := c.store.Event(ctx, one.EventID)
	if err != nil {
		return err
	}
	if ev.Body.Status != contract.EventPublished {
		_, err := c.store.MoveCampaign(ctx, one.ID, campaign.Cancel, VoidCancelled, c.clock.Now().UTC())
		return err
	}
	if !one.Snapshot {
		if err := c.store.TakeSnapshot(ctx, one); err != nil {
			return err
		}
	}
	sieve, n, err := c.sieve(ctx, one, ev)
	if err != nil {
		return err
	}
	var released time.Time
	for ctx.Err() == nil {
		next, err := c.store.Recipients(ctx, one.ID, one.PlannedTo, false, planBatch)
		if err != nil {
			return err
		}
		if one.Segment.NeedsIdentity() {
			if err := campaign.Identify(ctx, c.keys, next); err != nil {
				return err
			}
		}
		now := c.clock.Now().UTC()
		placed := make([]pgstore.Placed, len(next))
		to := ""
		for i, candidate := range next {
			to = candidate.RSVPID
			placed[i] = pgstore.Placed{RSVPID: to, Skip: sieve.Take(candidate)}
			if placed[i].Skip != "" {
				continue
			}
			placed[i].Variant = campaign.Pick(one.ID, to, one.Variants)
			placed[i].Notice = c.notice(one, ev, to, placed[i].Variant, n, now)
			n++
		}
		done := len(next) < planBatch
		ok, err := c.store.Place(ctx, one, placed, to, done, now)
		if err != nil || !ok || done {
			return err
		}
		one.PlannedTo = to
		if now.Sub(released) >= bulkEvery { // the first need not wait for the last
			if err := c.release(ctx); err != nil {
				return err
			}
			released = now
		}
	}
	return ctx.Err()
}

// sieve makes the one for what is left of a campaign: it has seen what was
// planned before a crash. planned is how many of those get mail.
func (c *campaigns) sieve(ctx context.Context, one pgstore.Campaign, ev *notice.Event) (s *campaign.Sieve, planned int, err error) {
	attended, err := attendedBefore(ctx, c.store, c.keys, one.Segment, ev)
	if err != nil {
		return nil, 0, err
	}
	s = campaign.NewSieve(one.Segment, attended)
	if one.PlannedTo == "" {
		return s, 0, nil
	}
	below := ""
	for {
		before, err := c.store.Recipients(ctx, one.ID, below, true, planBatch)
		if err != nil {
			return nil, 0, err
		}
		if one.Segment.NeedsIdentity() {
			if err := campaign.Identify(ctx, c.keys, before); err != nil {
				return nil, 0, err
			}
		}
		for _, candidate := range before {
			below = candidate.RSVPID
			if s.Take(candidate) == "" {
				planned++
			}
		}
		if len(before) < planBatch {
			return s, planned, nil
		}
	}
}

// attendedBefore collects who a segment that asks for it means; nil: it does not.
func attendedBefore(ctx context.Context, store *pgstore.Store, keys Keys, s campaign.Segment, ev *notice.Event) (map[string]bool, error) {
	if s.AttendedBefore == nil {
		return nil, nil
	}
	attended := map[string]bool{}
	err := store.Attended(ctx, ev.OrganizationID, ev.ID, ev.Body.StartsAt, func(batch []campaign.Candidate) error {
		if err := campaign.Identify(ctx, keys, batch); err != nil {
			return err
		}
		for _, g := range batch {
			if g.Identity != "" {
				attended[g.Identity] = true
			}
		}
		return nil
	})
	return attended, err
}

func (c *campaigns) notice(one pgstore.Campaign, ev *notice.Event, rsvpID string, variant, n int, now time.Time) *notice.Notice {
	occurrence := notice.CampaignOccurrence(one.ID)
	return &notice.Notice{
		ID:      notice.ID(rsvpID, notice.Campaign, notice.ChannelMail, occurrence),
		EventID: ev.ID, OrganizationID: one.OrganizationID, RSVPID: rsvpID, Kind: notice.Campaign, Channel: notice.ChannelMail,
		Occurrence: occurrence, DueAt: campaign.Expected(one.StartedAt, n, c.perHour), UsefulUntil: ev.Body.EndsAt, Epoch: ev.Epoch,
		State: notice.Planned, Reason: ReasonCampaign, CauseType: "campaign", CauseVersion: ev.Version, PlannedAt: now,
		Outcome: pgstore.HeldForLimit, Detail: notice.Detail{Campaign: one.ID, Variant: variant},
	}
}

// gate asks, right before a mail of a campaign goes, whether it still may: it
// was claimed before somebody paused or cancelled. Nil: it may.
func (c *campaigns) gate(ctx context.Context, n *notice.Notice, now time.Time) (*pgstore.Result, error) {
	if n.Detail.Campaign == "" {
		return nil, nil
	}
	state, err := c.current(ctx, n.Detail.Campaign, now)
	switch {
	case err != nil:
		return nil, err
	case state == campaign.Paused:
		return &pgstore.Result{State: notice.Planned, Outcome: pgstore.HeldPaused, Hold: true}, nil
	case state == campaign.Cancelled:
		return &pgstore.Result{State: notice.Void, Outcome: pgstore.VoidedCampaign, Finished: now}, nil
	default:
		return nil, nil
	}
}

func (c *campaigns) current(ctx context.Context, campaignID string, now time.Time) (campaign.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock() // also while it is read: one of the workers asks for all
	if seen, there := c.state[campaignID]; there && now.Sub(seen.at) < stateFor {
		return seen.state, nil
	}
	state, err := c.store.CampaignState(ctx, campaignID)
	if err != nil {
		return "", err
	}
	if len(c.state) > 1000 {
		clear(c.state)
	}
	c.state[campaignID] = seenState{state: state, at: now}
	return state, nil
}
