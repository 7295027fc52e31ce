package notifier

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/webhook"
)

// hooks posts messages to organizers' own systems. Like mail, the truth is in
// rows: planned with the batch that brought the message, claimed with a lease.
type hooks struct {
	store  *pgstore.Store
	client *webhook.Client
	ring   *seal.Keyring
	clock  clockwork.Clock
	log    *slog.Logger
	wake   chan struct{}
	rests  resting
}

const (
	hookWorkers = 8
	// hookClaim posts of at most webhook.Timeout each fit into a lease.
	hookClaim = 32
	hookLease = time.Minute
	// hookGiveUp is how long a post is tried, and at least hookTries times: it
	// may be the notifier that was away. A webhook that took nothing for so long
	// is switched off.
	hookGiveUp   = 72 * time.Hour
	hookTries    = 5
	hookFirst    = 5 * time.Second
	hookLongest  = 4 * time.Hour
	hookDisabled = "no post was taken for three days"
	hookGone     = "the receiver answered 410"
)

func (h *hooks) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run blocks until ctx ends; posts under way are finished.
func (h *hooks) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		}
		for ctx.Err() == nil {
			n, err := h.round(ctx)
			if err != nil && ctx.Err() == nil {
				h.log.WarnContext(ctx, "cannot post to webhooks, trying again", "error", err)
			}
			if err != nil || n < hookClaim {
				break
			}
		}
	}
}

// round posts what is due, once, and returns how many there were.
func (h *hooks) round(ctx context.Context) (int, error) {
	now := h.clock.Now().UTC()
	claimed, err := h.store.ClaimHooks(ctx, now, hookLease, hookClaim, h.rests.all(now))
	if err != nil {
		return 0, err
	}
	known := map[string]pgstore.Webhook{}
	for _, d := range claimed {
		if _, there := known[d.WebhookID]; there {
			continue
		}
		w, err := h.store.Webhook(ctx, d.WebhookID)
		if err != nil && !errors.Is(err, pgstore.ErrNotFound) {
			return 0, err // the lease gives them back
		}
		known[d.WebhookID] = w
	}
	var group errgroup.Group
	group.SetLimit(hookWorkers)
	for _, d := range claimed {
		group.Go(func() error { return h.post(context.WithoutCancel(ctx), known[d.WebhookID], d) })
	}
	return len(claimed), group.Wait()
}

func (h *hooks) post(ctx context.Context, w pgstore.Webhook, d pgstore.HookDelivery) error {
	now := h.clock.Now().UTC()
	if h.rests.has(w.ID, now) { // since it was claimed
		if d.State = string(notice.Planned); d.Attempts > 0 {
			d.State = string(notice.Failed)
		}
		_, err := h.store.RecordHook(ctx, d)
		return err
	}
	began := time.Now() // not of the clock: how long it takes is no matter of what time it is
	secrets, err := h.secrets(w, now)
	if err == nil {
		err = h.client.Send(ctx, webhook.Post{
			URL: w.URL, ID: (&contract.Envelope{Subject: d.EventID, Version: d.Version}).ID(), Sequence: d.Version, Body: d.Body, Secrets: secrets,
		}, now)
	}
	h.rests.took(w.ID, time.Since(began), now)
	d.Attempts++
	switch {
	case err == nil:
		d.State, d.Outcome, d.Finished = string(notice.Sent), "taken", now
	case errors.Is(err, webhook.ErrGone):
		d.State, d.Outcome, d.Finished = string(notice.Dead), err.Error(), now
		if err := h.store.DisableWebhook(ctx, w.ID, hookGone, now); err != nil {
			return err
		}
	case now.Sub(d.PlannedAt) >= hookGiveUp && d.Attempts >= hookTries:
		d.State, d.Outcome, d.Finished = string(notice.Dead), err.Error(), now
		if err := h.giveUp(ctx, w, now); err != nil {
			return err
		}
	default:
		d.State, d.Outcome, d.NextAt = string(notice.Failed), err.Error(), now.Add(hookPause(d.ID, d.Attempts))
	}
	_, err = h.store.RecordHook(ctx, d)
	return err
}

// giveUp switches a webhook off, unless it took others meanwhile: then what is
// given up is the post alone.
func (h *hooks) giveUp(ctx context.Context, w pgstore.Webhook, now time.Time) error {
	takes, err := h.store.TookHooks(ctx, w.ID, now.Add(-hookGiveUp))
	if err != nil || takes {
		return err
	}
	h.log.WarnContext(ctx, "webhook switched off", "webhook", w.ID, "organization", w.OrganizationID, "reason", hookDisabled)
	return h.store.DisableWebhook(ctx, w.ID, hookDisabled, now)
}

// hookPause doubles from five seconds to four hours, and differs by delivery.
func hookPause(deliveryID string, attempts int) time.Duration {
	pause := min(hookFirst<<min(attempts-1, 12), hookLongest)
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(deliveryID))
	return pause + pause*time.Duration(sum.Sum32()%256)/1024
}

func (h *hooks) secrets(w pgstore.Webhook, now time.Time) ([][]byte, error) {
	current, err := h.ring.Unwrap(w.Secret, w.ID)
	if err != nil {
		return nil, err
	}
	out := [][]byte{secretText(current)}
	if w.OldSecret != nil && now.Before(w.OldUntil) {
		old, err := h.ring.Unwrap(w.OldSecret, w.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, secretText(old))
	}
	return out, nil
}

// secretText is a secret as its owner was shown it: that text is the key, so
// that nobody has to decode anything.
func secretText(secret []byte) []byte { return []byte(hex.EncodeToString(secret)) }

// planHooks adds to a batch's plan a post per message and webhook of its
// organization.
func (b *batch) planHooks(ctx context.Context, envelopes []*contract.Envelope) error {
	var orgs []string
	for _, env := range envelopes {
		if contract.AboutOf(env.Type) != contract.AboutOrganization {
			orgs = append(orgs, env.Org)
		}
	}
	if len(orgs) == 0 {
		return nil
	}
	active, err := b.tx.ActiveWebhooks(ctx, orgs)
	if err != nil || len(active) == 0 {
		return err
	}
	var out []pgstore.HookDelivery
	for _, env := range b.fresh {
		for _, hook := range active[env.Org] {
			body, err := webhook.Body(env)
			if err != nil {
				return err
			}
			newID, err := id.New()
			if err != nil {
				return err
			}
			out = append(out, pgstore.HookDelivery{ID: newID, WebhookID: hook, EventID: env.Subject, Version: env.Version, Type: env.Type,
				Body: body, PlannedAt: b.now})
		}
	}
	b.hooked = len(out) > 0
	return b.tx.AddDeliveries(ctx, out)
}
