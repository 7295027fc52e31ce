package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// Head is the counter row of an event: where its log ends, and what that came to.
type Head struct {
	Counters   contract.Counters
	Version    int64
	Revision   int64
	Chain      []byte
	RecordedAt time.Time
}

// Locked is what the database has of one event while the lock of its counter row is held.
type Locked struct {
	Head
	Event   contract.Event
	Rows    []*rsvp.Row // may have one RSVP twice
	Answers map[Key]Answer

	conn *pgxpool.Conn // nil: presumed, nothing can be read
}

// lateOffers reads the open offers if there are any, and they were not read with the rest: few events have some. Held
// counts the people with an offer, so that none are held where nobody has one.
func (l *Locked) lateOffers(ctx context.Context, conn *pgxpool.Conn, event pgtype.UUID, want Want, already bool) error {
	if already || l.Counters.Held == 0 || want.OffersUntil.IsZero() {
		return nil
	}
	rows, err := conn.Query(ctx, selectOffers, event, want.OffersUntil)
	if err == nil {
		defer rows.Close()
		err = scanRSVPs(rows, &l.Rows)
	}
	if err != nil {
		return fmt.Errorf("read the offers of event %s: %w", want.EventID, err)
	}
	return nil
}

func (l *Locked) scanCounter(row pgx.Row) error {
	c := &l.Counters
	err := row.Scan(&c.Capacity, &c.Going, &c.Maybe, &c.Waitlisted, &c.Held, &c.CheckedIn, &l.Version, &l.Revision,
		&l.Chain, &l.RecordedAt)
	l.RecordedAt = l.RecordedAt.UTC()
	return err
}

func (l *Locked) scanBody(row pgx.Row) error {
	var body []byte
	if err := row.Scan(&body); err != nil {
		return err
	}
	l.Event = contract.Event{}
	return json.Unmarshal(body, &l.Event)
}

func (l *Locked) queueReads(b *pgx.Batch, event pgtype.UUID, want Want, offers bool) error {
	scan := func(rows pgx.Rows) error {
		err := scanRSVPs(rows, &l.Rows)
		l.Rows = slices.DeleteFunc(l.Rows, func(r *rsvp.Row) bool { return r.RSVP.EventID != want.EventID })
		return err
	}
	if len(want.RSVPIDs) > 0 {
		ids, err := uuidsOf(want.RSVPIDs)
		if err != nil {
			return err
		}
		b.Queue(selectByID, ids).Query(scan)
	}
	switch len(want.EmailHMACs) {
	case 0:
	case 1:
		b.Queue(selectByOneHMAC, event, want.EmailHMACs[0]).Query(scan)
	default:
		b.Queue(selectByHMAC, event, pgtype.FlatArray[[]byte](want.EmailHMACs)).Query(scan)
	}
	if offers && !want.OffersUntil.IsZero() {
		b.Queue(selectOffers, event, want.OffersUntil).Query(scan)
	}
	if len(want.Keys) > 0 {
		queueAnswers(b, want.Keys, &l.Answers)
	}
	return nil
}

// Queue reads of each party size, in the queue's order, the first waiting parties that could fill the seats.
func (l *Locked) Queue(ctx context.Context, seats int) ([]*rsvp.Row, error) {
	return l.queue(ctx, selectQueue, l.Event.ID, seats)
}

// WholeQueue reads the waitlist in its order.
func (l *Locked) WholeQueue(ctx context.Context) ([]*rsvp.Row, error) {
	return l.queue(ctx, selectWholeQueue, l.Event.ID)
}

// Waiting counts the parties on the waitlist.
func (l *Locked) Waiting(ctx context.Context) (int, error) {
	if l.conn == nil {
		return 0, ErrNotAsPresumed
	}
	var n int
	if err := l.conn.QueryRow(ctx, countQueue, l.Event.ID).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the queue of event %s: %w", l.Event.ID, err)
	}
	return n, nil
}

func (l *Locked) queue(ctx context.Context, sql string, args ...any) ([]*rsvp.Row, error) {
	if l.conn == nil {
		return nil, ErrNotAsPresumed
	}
	rows, err := l.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the queue of event %s: %w", l.Event.ID, err)
	}
	defer rows.Close()
	var queue []*rsvp.Row
	if err := scanRSVPs(rows, &queue); err != nil {
		return nil, fmt.Errorf("read the queue of event %s: %w", l.Event.ID, err)
	}
	return queue, nil
}
