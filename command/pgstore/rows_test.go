package pgstore_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newID(t *testing.T) string {
	t.Helper()
	s, err := id.New()
	must(t, err)
	return s
}

// openStore gives a store over a database of its own, and an event in it.
func openStore(t *testing.T) (*pgstore.Store, contract.Event) {
	t.Helper()
	s, _, e := openPool(t)
	return s, e
}

func openPool(t *testing.T) (*pgstore.Store, *pgxpool.Pool, contract.Event) {
	t.Helper()
	url := testkit.Database(t, func(ctx context.Context, url string) error { return postgres.Migrate(ctx, url, migrations.FS) })
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url}, testkit.Logger(t))
	must(t, err)
	t.Cleanup(pool.Close)
	e := contract.Event{OrganizationID: newID(t)}
	_, err = pool.Exec(t.Context(), `INSERT INTO organization (id, slug, body, version, chain, recorded_at, created_at)
		VALUES ($1, 'org', '{}', 0, '', now(), now())`, e.OrganizationID)
	must(t, err)
	s := pgstore.New(pool)
	return s, pool, addEvent(t, s, e.OrganizationID)
}

func addEvent(t *testing.T, s *pgstore.Store, organization string) contract.Event {
	t.Helper()
	now := contract.Time(time.Now())
	e := contract.Event{ID: newID(t), OrganizationID: organization, Status: contract.EventPublished, StartsAt: now, EndsAt: now.Add(time.Hour), Revision: 1, CreatedAt: now}
	e.Slug = e.ID
	_, err := s.Create(t.Context(), pgstore.Creation{
		Events: []pgstore.NewEvent{{Event: e, Messages: []contract.Envelope{message(e, 1)}}},
		Answer: pgstore.NewAnswer{Key: pgstore.Key{Scope: "t", Key: e.ID}, CreatedAt: now, Answer: pgstore.Answer{RequestHash: []byte{1}, Sealed: []byte{1}}},
	})
	must(t, err)
	return e
}

func message(e contract.Event, version int64) contract.Envelope {
	now := contract.Time(time.Now())
	return contract.Envelope{
		Subject: e.ID, Version: version, Type: contract.EventEditedV1, Org: e.OrganizationID, ValidAt: now, RecordedAt: now,
		Actor: "system:test", Payload: []byte(`{}`),
	}
}

func admit(t *testing.T, s *pgstore.Store, want pgstore.Want, decide pgstore.Decide) {
	t.Helper()
	_, err := s.Admit(t.Context(), want, decide)
	must(t, err)
}

// save writes rows with one message each.
func save(t *testing.T, s *pgstore.Store, e contract.Event, rows ...*rsvp.Row) {
	t.Helper()
	admit(t, s, pgstore.Want{EventID: e.ID}, func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
		out := &pgstore.Save{Counters: l.Counters, RecordedAt: time.Now()}
		for i, r := range rows {
			v := l.Version + int64(i) + 1
			out.Messages = append(out.Messages, message(e, v))
			out.Rows = append(out.Rows, pgstore.SavedRow{Row: r, Version: v})
			out.Counters.Waitlisted++
		}
		return out, nil
	})
}

// fill sets every field to something that is not its zero value, so that a field that is added and not stored shows.
func fill(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2031, 5, 4, 3, 2, *n, 123456000, time.UTC)))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case v.Kind() == reflect.String:
		v.SetString("text " + string(rune('a'+*n%26)))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanUint():
		v.SetUint(uint64(*n))
	}
}

// Few rows are written one by one, many as arrays: whichever way, nothing is lost.
func TestEveryFieldOfAnRSVPIsStored(t *testing.T) {
	t.Parallel()
	s, e := openStore(t)
	for _, c := range []struct {
		name    string
		changed bool
		beside  int // other rows of the batch
	}{{"new", false, 0}, {"changed", true, 0}, {"one of many new", false, 3}, {"one of many changed", true, 3}} {
		row := &rsvp.Row{EmailHMAC: []byte(c.name), New: true, WrappedKey: []byte{4}}
		fill(reflect.ValueOf(&row.RSVP).Elem(), new(int))
		row.RSVP.ID, row.RSVP.EventID = newID(t), e.ID
		rows := []*rsvp.Row{row}
		for range c.beside {
			rows = append(rows, sparse(t, row, newID(t)))
		}
		if c.changed {
			rows[0] = sparse(t, row, row.RSVP.ID)
			save(t, s, e, rows...)
			for _, r := range rows {
				r.New, r.WrappedKey = false, nil
			}
			row.New, row.WrappedKey, row.EmailHMAC = false, nil, []byte("another of "+c.name)
			rows[0] = row
		}
		save(t, s, e, rows...)
		got, err := s.RSVP(t.Context(), row.RSVP.ID)
		must(t, err)
		want, err := json.Marshal(row.RSVP)
		must(t, err)
		has, err := json.Marshal(got.RSVP)
		must(t, err)
		if string(want) != string(has) || !slices.Equal(got.EmailHMAC, row.EmailHMAC) {
			t.Errorf("%s: stored %s\nread back %s", c.name, want, has)
		}
		if key, err := s.Key(t.Context(), row.RSVP.ID); err != nil || len(key) != 1 {
			t.Errorf("%s: data key %v, %v", c.name, key, err)
		}
	}
}

// sparse has nothing that it need not have.
func sparse(t *testing.T, like *rsvp.Row, id string) *rsvp.Row {
	t.Helper()
	return &rsvp.Row{New: true, WrappedKey: []byte{4}, RSVP: contract.RSVP{
		ID: id, EventID: like.RSVP.EventID, Status: "x", Response: "y", PartySize: 1, Sealed: []byte{1}, CreatedAt: like.RSVP.CreatedAt}}
}

// The queue that is read for n seats has, of each size, the first that could fill them, in the queue's order.
func TestQueueForSeats(t *testing.T) {
	t.Parallel()
	s, e := openStore(t)
	sizes := []int{3, 1, 2, 1, 5, 1, 2, 1, 4, 2}
	var rows []*rsvp.Row
	for i, size := range sizes {
		rows = append(rows, &rsvp.Row{New: true, WrappedKey: []byte{1}, RSVP: contract.RSVP{
			ID: newID(t), EventID: e.ID, Status: contract.StatusWaitlisted, Response: contract.Going, PartySize: size,
			QueuedVersion: int64(i + 1), Sealed: []byte{1}, CreatedAt: time.Now(), UpdatedAt: time.Now()}})
	}
	save(t, s, e, rows...)
	for seats, want := range map[int][]int64{
		0: nil, 1: {2}, 2: {2, 3, 4}, 3: {1, 2, 3, 4, 6}, 4: {1, 2, 3, 4, 6, 7, 8, 9},
		100: {1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
	} {
		admit(t, s, pgstore.Want{EventID: e.ID}, func(ctx context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
			queue, err := l.Queue(ctx, seats)
			must(t, err)
			var got []int64
			for _, r := range queue {
				got = append(got, r.RSVP.QueuedVersion)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d seats: %v, want %v", seats, got, want)
			}
			whole, err := l.WholeQueue(ctx)
			must(t, err)
			n, err := l.Waiting(ctx)
			must(t, err)
			if len(whole) != len(sizes) || n != len(sizes) {
				t.Errorf("the whole queue has %d, %d are counted", len(whole), n)
			}
			return nil, nil
		})
	}
}

// What can never run out must not keep out what can.
func TestDuePassesOverCancelledEvents(t *testing.T) {
	t.Parallel()
	s, pool, gone := openPool(t)
	live := addEvent(t, s, gone.OrganizationID)
	now := time.Now()
	for i, e := range []contract.Event{gone, live} {
		until := now.Add(time.Duration(i-10) * time.Hour) // those of the cancelled event are older
		for _, status := range []string{contract.StatusOffered, contract.StatusPending} {
			save(t, s, e, &rsvp.Row{New: true, WrappedKey: []byte{1}, RSVP: contract.RSVP{
				ID: newID(t), EventID: e.ID, Status: status, Response: contract.Going, PartySize: 1, Sealed: []byte{1},
				OfferExpiresAt: &until, PendingExpiresAt: &until, CreatedAt: now, UpdatedAt: now}})
		}
	}
	_, err := pool.Exec(t.Context(), `UPDATE event SET status = 'cancelled' WHERE id = $1`, gone.ID)
	must(t, err)
	due, err := s.Due(t.Context(), now, 1)
	must(t, err)
	if !slices.Equal(due.Offers, []string{live.ID}) || len(due.Pending[live.ID]) != 1 || len(due.Pending) != 1 {
		t.Fatalf("due: %+v", due)
	}
}

// An event that was moved up ends its offers when it starts: they are found and loaded then, before their own time.
func TestOffersOfWhatHasStartedAreDue(t *testing.T) {
	t.Parallel()
	s, pool, e := openPool(t)
	now := contract.Time(time.Now())
	until := now.Add(time.Hour)
	save(t, s, e, &rsvp.Row{New: true, WrappedKey: []byte{1}, RSVP: contract.RSVP{
		ID: newID(t), EventID: e.ID, Status: contract.StatusOffered, Response: contract.Going, PartySize: 1, Sealed: []byte{1},
		OfferExpiresAt: &until, CreatedAt: now, UpdatedAt: now}})
	_, err := pool.Exec(t.Context(), `UPDATE event_counter SET held = 1 WHERE event_id = $1`, e.ID)
	must(t, err)
	for starts, want := range map[time.Time]int{now.Add(time.Second): 0, now: 1} {
		_, err := pool.Exec(t.Context(), `UPDATE event SET status = 'published', starts_at = $2, ends_at = $3 WHERE id = $1`, e.ID, starts, until)
		must(t, err)
		due, err := s.Due(t.Context(), now, 1)
		must(t, err)
		seen, err := s.Peek(t.Context(), pgstore.Want{EventID: e.ID, OffersUntil: now})
		must(t, err)
		if len(due.Offers) != want || len(seen.Rows) != want {
			t.Errorf("starts at %s, now is %s: %v is due, %d offers are loaded; want %d", starts, now, due.Offers, len(seen.Rows), want)
		}
	}
}

// Offers are read with the rest where the policy makes them, and after the lock where some are left of another policy.
func TestOffersAreReadUnderEveryPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{contract.WaitlistAuto, contract.WaitlistOffer} {
		s, e := openStore(t)
		until := contract.Time(time.Now())
		row := &rsvp.Row{New: true, WrappedKey: []byte{1}, RSVP: contract.RSVP{
			ID: newID(t), EventID: e.ID, Status: contract.StatusOffered, Response: contract.Going, PartySize: 2, Sealed: []byte{1},
			OfferExpiresAt: &until, CreatedAt: until, UpdatedAt: until}}
		admit(t, s, pgstore.Want{EventID: e.ID}, func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
			e.WaitlistPolicy, e.Revision = policy, l.Revision+1
			counters := l.Counters
			counters.Held = 2
			return &pgstore.Save{
				Event: &e, Counters: counters, RecordedAt: until, Messages: []contract.Envelope{message(e, l.Version+1)},
				Rows: []pgstore.SavedRow{{Row: row, Version: l.Version + 1}},
			}, nil
		})
		for _, at := range []struct {
			until time.Time
			want  int
		}{{until, 1}, {until.Add(-time.Second), 0}} {
			admit(t, s, pgstore.Want{EventID: e.ID, OffersUntil: at.until}, func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
				if len(l.Rows) != at.want {
					t.Errorf("policy %s: %d offers that end by %s, want %d", policy, len(l.Rows), at.until, at.want)
				}
				return nil, nil
			})
			seen, err := s.Peek(t.Context(), pgstore.Want{EventID: e.ID, OffersUntil: at.until})
			must(t, err)
			if len(seen.Rows) != at.want {
				t.Errorf("policy %s: a look finds %d offers that end by %s, want %d", policy, len(seen.Rows), at.until, at.want)
			}
		}
	}
}
