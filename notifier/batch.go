package notifier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// batch applies messages in order. Plans pile up in memory, where a later
// message of the batch can still void them, and are written at the end; before
// a plan that concerns all guests of an event they are written first.
type batch struct {
	tx         *pgstore.Tx
	now        time.Time
	quiet      time.Duration
	digestHour int
	redriven   bool // what it applies were dead letters

	events      map[string]*notice.Event
	guests      map[string]*notice.Guest
	stored      map[string]bool            // guests that had a row before this batch
	devices     map[string][]notice.Device // of guests that had a row, by RSVP
	erased      []string
	dirtyEvents map[string]bool
	dirtyGuests []string
	adds        []*notice.Notice
	byGuest     map[string][]*notice.Notice
	voids       []Void
	members     []notice.Notice // for members of their organizations

	fresh   []*contract.Envelope // about events, and not repeats
	hooked  bool                 // there are posts to webhooks
	dueNow  bool
	repeats int
	gaps    int
	added   map[notice.Kind]int
}

func (b *batch) apply(ctx context.Context, envelopes []*contract.Envelope) error {
	if err := b.load(ctx, envelopes); err != nil {
		return err
	}
	for _, env := range envelopes {
		if err := b.one(ctx, env); err != nil {
			return fmt.Errorf("plan for %s (%s): %w", env.ID(), env.Type, err)
		}
	}
	if err := b.planHooks(ctx, envelopes); err != nil {
		return err
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	return b.tellMembers(ctx)
}

func (b *batch) load(ctx context.Context, envelopes []*contract.Envelope) error {
	var events, orgs, guests []string
	for _, env := range envelopes {
		switch contract.AboutOf(env.Type) {
		case contract.AboutRSVP:
			m, err := env.RSVP()
			if err != nil {
				return err
			}
			guests = append(guests, m.RSVP.ID)
			fallthrough
		case contract.AboutEvent:
			events, orgs = append(events, env.Subject), append(orgs, env.Org)
		}
	}
	b.byGuest, b.stored = map[string][]*notice.Notice{}, map[string]bool{}
	b.dirtyEvents, b.added = map[string]bool{}, map[notice.Kind]int{}
	if len(events) == 0 {
		return nil
	}
	var err error
	if b.events, err = b.tx.LockEvents(ctx, events, orgs); err != nil {
		return err
	}
	if b.guests, err = b.tx.Guests(ctx, guests); err != nil {
		return err
	}
	for id := range b.guests {
		b.stored[id] = true
	}
	return b.loadDevices(ctx)
}

func (b *batch) one(ctx context.Context, env *contract.Envelope) error {
	if contract.AboutOf(env.Type) == contract.AboutOrganization {
		m, err := env.Organization()
		if err != nil {
			return err
		}
		return b.tx.SaveOrganization(ctx, m.Organization, env.Version)
	}
	ev := b.events[env.Subject]
	// Late are repeats and dead letters that were redriven. What is kept of the
	// event or the guest tells which: no list of what was passed over is needed.
	late := env.Version <= ev.Version
	var (
		c        = b.cause(env)
		plan     Plan
		counters contract.Counters
	)
	if contract.AboutOf(env.Type) == contract.AboutEvent {
		m, err := env.Event()
		if err != nil {
			return err
		}
		if late && !newer(ev, env, m) {
			b.repeat(env)
			return nil
		}
		ev, plan = onEvent(c, ev, m)
		b.events[env.Subject] = ev
		counters = m.Counters
	} else {
		m, err := env.RSVP()
		if err != nil {
			return err
		}
		before := b.guests[m.RSVP.ID]
		if late && before != nil && before.Version >= env.Version {
			b.repeat(env)
			return nil
		}
		var g *notice.Guest
		g, plan = onRSVP(c, ev, before, m)
		b.guests[g.RSVPID] = g
		b.dirtyGuests = append(b.dirtyGuests, g.RSVPID)
		counters = m.Counters
	}
	if !late { // what comes late counts as people stood then
		b.gaps += int(env.Version - ev.Version - 1)
		ev.Version, ev.CheckedIn = env.Version, counters.CheckedIn
		plan.planFull(c, ev, counters)
	}
	b.fresh = append(b.fresh, env)
	b.dirtyEvents[env.Subject] = true
	return b.take(ctx, plan)
}

func (b *batch) cause(env *contract.Envelope) cause {
	return cause{env: env, now: b.now, quiet: b.quiet, digestHour: b.digestHour}
}

// repeat is a message that was planned for, or that later ones about the same
// guest, or with the event's details, have overtaken: they carry the whole, so
// guests have nothing more to hear. Webhooks hear of each message, and of one
// that comes out of the dead letters now.
func (b *batch) repeat(env *contract.Envelope) {
	b.repeats++
	if b.redriven {
		b.fresh = append(b.fresh, env)
	}
}

func (b *batch) take(ctx context.Context, p Plan) error {
	for _, v := range p.Void {
		b.void(v)
	}
	for i := range p.Add {
		b.add(&p.Add[i])
		for _, push := range alsoTo(b.devices[p.Add[i].RSVPID], p.Add[i]) {
			b.add(&push)
		}
	}
	b.members = append(b.members, p.Members...)
	for _, r := range p.Restore {
		restored, err := b.tx.Restore(ctx, r.EventID, r.Reason, r.UsefulUntil, b.now)
		if err != nil {
			return err
		}
		b.dueNow = b.dueNow || restored > 0
	}
	if len(p.Fan) == 0 {
		return nil
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	for _, f := range p.Fan {
		planned, err := b.tx.Fan(ctx, f.Like, f.Statuses, f.Reminders, f.Updates)
		if err != nil {
			return err
		}
		if f.Like.Kind.Pushed() {
			pushes, err := b.tx.FanPush(ctx, f.Like, f.Statuses, f.Reminders, f.Updates)
			if err != nil {
				return err
			}
			planned += pushes
		}
		b.added[f.Like.Kind] += int(planned)
		b.dueNow = b.dueNow || !f.Like.DueAt.After(b.now)
	}
	return nil
}

func (b *batch) add(n *notice.Notice) {
	b.adds = append(b.adds, n)
	b.byGuest[n.RSVPID] = append(b.byGuest[n.RSVPID], n)
	b.added[n.Kind]++
	b.dueNow = b.dueNow || !n.DueAt.After(b.now)
}

// void takes back what this batch planned, and what was planned before it.
func (b *batch) void(v Void) {
	mine := b.adds
	if v.RSVPID != "" {
		mine = b.byGuest[v.RSVPID]
	}
	for _, n := range mine {
		if n.EventID != v.EventID || n.State != notice.Planned || v.Held && !n.DueAt.After(b.now) ||
			len(v.Kinds) > 0 && !slices.Contains(v.Kinds, n.Kind) {
			continue
		}
		n.State, n.Outcome, n.FinishedAt = notice.Void, v.Reason, b.now
	}
	if v.RSVPID == "" || b.stored[v.RSVPID] {
		b.voids = append(b.voids, v)
	}
}

// flush writes what has piled up. Voids go before the notices of this batch:
// what they mean for those is settled already.
func (b *batch) flush(ctx context.Context) error {
	if err := b.saveSeen(ctx); err != nil {
		return err
	}
	if err := b.writeVoids(ctx); err != nil {
		return err
	}
	if err := b.tx.Add(ctx, b.adds); err != nil {
		return err
	}
	for _, n := range b.adds {
		b.stored[n.RSVPID] = true
	}
	b.adds, b.voids = nil, nil
	clear(b.byGuest)
	return nil
}

func (b *batch) saveSeen(ctx context.Context) error {
	events := make([]*notice.Event, 0, len(b.dirtyEvents))
	for id := range b.dirtyEvents {
		events = append(events, b.events[id])
	}
	if err := b.tx.SaveEvents(ctx, events); err != nil {
		return err
	}
	slices.Sort(b.dirtyGuests)
	b.dirtyGuests = slices.Compact(b.dirtyGuests)
	guests := make([]*notice.Guest, 0, len(b.dirtyGuests))
	for _, id := range b.dirtyGuests {
		guests = append(guests, b.guests[id])
		if b.guests[id].Erased && b.stored[id] {
			b.erased = append(b.erased, id)
		}
	}
	if err := b.tx.ForgetDevices(ctx, b.erased); err != nil {
		return err
	}
	b.erased = nil
	if err := b.tx.SaveGuests(ctx, guests); err != nil {
		return err
	}
	clear(b.dirtyEvents)
	b.dirtyGuests = nil
	return nil
}

// writeVoids gathers voids that differ only by guest into one statement.
func (b *batch) writeVoids(ctx context.Context) error {
	type key struct {
		event, reason, kinds string
		held                 bool
	}
	var order []key
	first, guests := map[key]Void{}, map[key][]string{}
	for _, v := range b.voids {
		k := key{reason: v.Reason, kinds: fmt.Sprint(v.Kinds), held: v.Held}
		if v.RSVPID == "" {
			k.event = v.EventID
		}
		if _, there := first[k]; !there {
			first[k] = v
			order = append(order, k)
		}
		if v.RSVPID != "" {
			guests[k] = append(guests[k], v.RSVPID)
		}
	}
	for _, k := range order {
		v := first[k]
		if err := b.tx.Void(ctx, v.EventID, guests[k], v.Kinds, v.Held, v.Reason, b.now); err != nil {
			return err
		}
	}
	return nil
}
