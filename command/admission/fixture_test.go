package admission_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
)

// fixture is a database with one organization.
type fixture struct {
	url  string
	pool *pgxpool.Pool
	org  string
	ring *seal.Keyring
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{ring: keyring(t), org: newID(t)}
	f.url = testkit.Database(t, func(ctx context.Context, url string) error {
		return postgres.Migrate(ctx, url, migrations.FS)
	})
	f.pool = f.open(t, 10)
	_, err := f.pool.Exec(t.Context(), `INSERT INTO organization (id, slug, body, version, chain, recorded_at, created_at)
		VALUES ($1, 'org', '{}', 0, '', now(), now())`, f.org)
	must(t, err)
	return f
}

func (f *fixture) open(t testing.TB, conns int32) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: f.url, MaxConns: conns,
		LockTimeout: time.Minute, StatementTimeout: time.Minute, IdleInTransactionTimeout: time.Minute}, testkit.Logger(t))
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// patience is what callers and transactions have: these tests are about right answers, on a busy machine.
const patience = 5 * time.Minute

// desk starts a desk of its own over the database, as another process would have it, and stops it with the test.
func (f *fixture) desk(t testing.TB, change ...func(*admission.Config, *admission.Deps)) *admission.Desk {
	t.Helper()
	cfg := admission.DefaultConfig()
	cfg.AnswerWithin, cfg.DecideWithin = patience, patience
	deps := admission.Deps{Keyring: f.ring, Log: testkit.Logger(t)}
	for _, c := range change {
		c(&cfg, &deps)
	}
	if deps.Store == nil {
		deps.Store = pgstore.New(f.open(t, 10))
	}
	desk, err := admission.New(t.Context(), cfg, deps)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- desk.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("desk: %v", err)
		}
	})
	return desk
}

// event saves a published event and gives its id.
func (f *fixture) event(t testing.TB, change ...func(*contract.Event)) string {
	t.Helper()
	now := contract.Time(time.Now())
	e := contract.Event{
		ID: newID(t), OrganizationID: f.org, Status: contract.EventPublished, Title: "Summer party",
		StartsAt: now.Add(240 * time.Hour), EndsAt: now.Add(244 * time.Hour), TimeZone: "Europe/Berlin", Tags: []string{},
		MaxParty: 10, WaitlistPolicy: contract.WaitlistAuto, OfferTTL: contract.Duration(time.Hour),
		Visibility: contract.VisibilityPublic, RSVPClosesAt: now.Add(240 * time.Hour), RetentionDays: 365, Revision: 1,
		CreatedAt: now, UpdatedAt: now, PublishedAt: &now,
	}
	e.Slug = "party-" + e.ID
	for _, c := range change {
		c(&e)
	}
	payload, err := json.Marshal(contract.EventMessage{Event: e, Counters: contract.Counters{Capacity: e.Capacity}})
	must(t, err)
	_, err = pgstore.New(f.pool).Create(t.Context(), pgstore.Creation{
		Events: []pgstore.NewEvent{{Event: e, Messages: []contract.Envelope{{
			Subject: e.ID, Version: 1, Type: contract.EventPublishedV1, Org: f.org, ValidAt: now, RecordedAt: now,
			Actor: "system:test", Payload: payload,
		}}}},
		Answer: pgstore.NewAnswer{
			Key: pgstore.Key{Scope: "test", Key: e.ID}, CreatedAt: now, Answer: pgstore.Answer{RequestHash: []byte{1}, Status: 201, Sealed: []byte{1}},
		},
	})
	must(t, err)
	return e.ID
}

func capacity(n int) func(*contract.Event) { return func(e *contract.Event) { e.Capacity = &n } }

func policy(p string) func(*contract.Event) { return func(e *contract.Event) { e.WaitlistPolicy = p } }

// submit is a guest's answer: its address is unique by name.
func (f *fixture) submit(t testing.TB, event, name string, party int) admission.Request {
	t.Helper()
	rsvpID := newID(t)
	key, err := seal.NewKey()
	must(t, err)
	wrapped, err := f.ring.Wrap(key, rsvpID)
	must(t, err)
	hmac := f.ring.EmailHMAC(name + "@example.org")
	personal, err := json.Marshal(contract.Personal{Name: name, Email: name + "@example.org", EmailHMAC: hmac})
	must(t, err)
	sealed, err := seal.Seal(key, personal, rsvpID)
	must(t, err)
	return admission.Request{
		EventID: event, Scope: "POST rsvps " + event, Key: "key-" + name, RequestHash: sha256.Sum256([]byte(name)),
		Actor: rsvp.GuestActor(rsvpID), Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Command: &rsvp.SubmitRSVP{
			RSVPID: rsvpID, EmailHMAC: hmac, WrappedKey: wrapped, Sealed: sealed, Response: contract.Going, PartySize: party,
			Locale: "en", Reminders: true,
		},
		Encode: encode,
	}
}

func (f *fixture) cancel(event, rsvpID string) admission.Request {
	return admission.Request{
		EventID: event, Scope: "DELETE " + rsvpID, Actor: rsvp.GuestActor(rsvpID), Command: &rsvp.CancelRSVP{RSVPID: rsvpID},
		Encode: encode,
	}
}

// answered is the body of an answer.
type answered struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Version  int64  `json:"version"`
	Position int    `json:"position"`
}

func encode(o rsvp.Outcome) (int, []byte, error) {
	a := answered{Version: o.Version, Position: o.Position}
	if o.RSVP != nil {
		a.ID, a.Status = o.RSVP.ID, o.RSVP.Status
	}
	body, err := json.Marshal(a)
	return http.StatusCreated, body, err
}

func decoded(t testing.TB, a admission.Answer) answered {
	t.Helper()
	var v answered
	must(t, json.Unmarshal(a.Body, &v))
	return v
}

// counters audits the whole database and gives the counters of an event.
func (f *fixture) counters(t testing.TB, event string) contract.Counters {
	t.Helper()
	report := audit.NewReport()
	var counters contract.Counters
	err := audit.Run(t.Context(), f.pool, report, audit.Options{Each: func(e audit.Event) {
		if e.ID == event {
			counters = e.Counters
		}
	}, Workers: 1})
	must(t, err)
	for _, finding := range report.Findings {
		t.Errorf("audit: %+v", finding)
	}
	return counters
}

func keyring(t testing.TB) *seal.Keyring {
	t.Helper()
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, seal.KeySize)))
	must(t, err)
	return ring
}

func newID(t testing.TB) string {
	t.Helper()
	s, err := id.New()
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func guest(i int) string { return fmt.Sprintf("guest%06d", i) }

func newStore(f *fixture) *pgstore.Store { return pgstore.New(f.pool) }

// lock holds the event's lock until the function it returns is called: what is sent meanwhile becomes one batch.
func (f *fixture) lock(t testing.TB, event string) (unlock func()) {
	t.Helper()
	tx, err := f.pool.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `SELECT 1 FROM event_counter WHERE event_id = $1 FOR NO KEY UPDATE`, event)
	must(t, err)
	unlock = sync.OnceFunc(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	t.Cleanup(unlock)
	return unlock
}

// queued waits until the desk has n requests, under way or waiting.
func (f *fixture) queued(t testing.TB, desk *admission.Desk, n int) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error {
		if got := desk.Pending(); got != n {
			return fmt.Errorf("%d requests at the desk, want %d", got, n)
		}
		return nil
	})
}

// taken waits until whoever came to the desk is being decided.
func (f *fixture) taken(t testing.TB, desk *admission.Desk) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error {
		if got := desk.Waiting(); got != 0 {
			return fmt.Errorf("%d requests are not taken", got)
		}
		return nil
	})
}
