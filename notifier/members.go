package notifier

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Members get two kinds of mail, each until they switch it off: a digest of
// what was answered, once a day and only when there was something, and word
// that an event is full.

// Why a notice to members was planned, and why it is void.
const (
	ReasonNewAnswers = "new-answers"
	ReasonFilled     = "capacity-reached"

	VoidNoMember = "no-longer-a-member"
	VoidNoNews   = "nothing-new"
)

const (
	// fullAgain is how long an event must have had room before its filling up
	// is news again: a seat that is given back and taken within minutes is not.
	fullAgain = time.Hour
	// digestUseful is how long a digest that could not be sent is one of the day.
	digestUseful = 20 * time.Hour
)

// digestAt is when the next digest is due: the hour of the day on the clocks
// of the zone, after now. Where the clocks skip it, it is the hour after.
func digestAt(now time.Time, zoneName string, hour int) time.Time {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		zone = time.UTC
	}
	local := now.In(zone)
	due := time.Date(local.Year(), local.Month(), local.Day(), hour, 0, 0, 0, zone)
	if !due.After(now) {
		due = time.Date(local.Year(), local.Month(), local.Day()+1, hour, 0, 0, 0, zone)
	}
	return due.UTC()
}

// planDigest notes on the guest which digest tells of this change, and plans
// that digest when it is the event's first for it. What members did themselves
// is no news to them.
func (p *Plan) planDigest(c cause, ev *notice.Event, before, g *notice.Guest) {
	if before != nil {
		g.DigestAt = before.DigestAt
	}
	if !ev.Known || by(c.env.Actor) == "member" || before != nil && before.Status == g.Status && before.PartySize == g.PartySize {
		return
	}
	due := digestAt(c.now, ev.Body.TimeZone, c.digestHour)
	g.DigestAt = due
	if ev.DigestAt.Equal(due) {
		return
	}
	ev.DigestAt = due
	n := c.notice(ev, notice.Digest, ReasonNewAnswers)
	// One for all events of the organization whose digest is due at the moment.
	n.Occurrence = ev.OrganizationID + "/" + due.Format(time.RFC3339)
	n.DueAt, n.UsefulUntil = due, due.Add(digestUseful)
	p.Members = append(p.Members, n)
}

// planFull keeps whether the event is full, and tells members when it becomes
// so: once per filling.
func (p *Plan) planFull(c cause, ev *notice.Event, counters contract.Counters) {
	ev.Going, ev.Held, ev.Waitlisted = counters.Going, counters.Held, counters.Waitlisted
	full := counters.Capacity != nil && counters.Going+counters.Held >= *counters.Capacity && *counters.Capacity > 0
	switch {
	case full == ev.Full:
		return
	case !full:
		ev.Full, ev.OpenSince = false, c.now
		return
	}
	ev.Full = true
	if !ev.Known || ev.Body.Status != contract.EventPublished || !c.now.Before(ev.Body.StartsAt) ||
		ev.Fillings > 0 && c.now.Sub(ev.OpenSince) < fullAgain {
		return
	}
	ev.Fillings++
	n := c.notice(ev, notice.EventFull, ReasonFilled)
	n.Occurrence = fmt.Sprintf("%s/f%d", ev.ID, ev.Fillings)
	n.UsefulUntil = ev.Body.StartsAt
	p.Members = append(p.Members, n)
}

// memberUseful is StillUseful for a notice to a member.
func memberUseful(d *notice.Delivery, now time.Time) (reason string, ok bool) {
	n := &d.Notice
	switch {
	case d.Member == nil:
		return VoidNoMember, false
	case !d.Member.Wants(n.Kind):
		return VoidUnsubscribed, false
	case d.Suppressed != "":
		return VoidSuppressed, false
	case !n.UsefulUntil.IsZero() && now.After(n.UsefulUntil):
		return VoidTooLate, false
	case n.Kind == notice.Digest:
		return VoidNoNews, len(d.News) > 0
	case d.Event == nil || !d.Event.Known:
		return VoidUnknownEvent, false
	case d.Event.Body.Status != contract.EventPublished:
		return VoidCancelled, false
	default:
		return "", true
	}
}

// tellMembers writes what the batch plans for members, all of it at its end and
// in an order that is the same for every batch (see FanMembers).
func (b *batch) tellMembers(ctx context.Context) error {
	slices.SortStableFunc(b.members, func(x, y notice.Notice) int { return strings.Compare(x.Occurrence, y.Occurrence) })
	for _, n := range b.members {
		planned, err := b.tx.FanMembers(ctx, n)
		if err != nil {
			return err
		}
		b.added[n.Kind] += int(planned)
		b.dueNow = b.dueNow || !n.DueAt.After(b.now)
	}
	return nil
}

// openFor reads the data of whom a notice goes to; a reason says why there are none.
func (d *deliverer) openFor(x *notice.Delivery, keys seal.DataKeys) (p contract.Personal, reason string, err error) {
	if x.Member == nil {
		return open(x.Guest, keys)
	}
	var m contract.MemberPersonal
	if reason, err = unseal(x.Member.AccountID, x.Member.Sealed, keys, &m); reason != "" || err != nil {
		return p, reason, err
	}
	if m.Email == "" {
		return p, VoidNoAddress, nil
	}
	return contract.Personal{Name: m.Name, Email: m.Email, EmailHMAC: d.identity(m.Email)}, "", nil
}

// identity makes of an address what suppressions know it by.
func identity(ring *seal.Keyring) func(address string) []byte {
	return func(address string) []byte {
		normalized, err := seal.NormalizeEmail(address)
		if err != nil {
			return nil // mail to it will be impossible
		}
		return ring.EmailHMAC(normalized)
	}
}
