package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jonboulle/clockwork"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
	"github.com/turnout-events/turnout/notifier/mail"
)

// world is one event, its guests and a notifier, with a clock that the test
// moves and a mail server that remembers. Messages go straight to onMessages,
// as a consumer would hand them over.
type world struct {
	t      testing.TB
	clock  *clockwork.FakeClock
	pool   *pgxpool.Pool
	ring   *seal.Keyring
	keys   *keyStore
	ledger *ledger
	cfg    Config
	n      *Notifier
	stop   func()

	event    contract.Event
	counters contract.Counters
	version  int64
	guests   map[string]*contract.RSVP // by name
}

// keyStore stands in for command's key endpoint.
type keyStore struct {
	mu   sync.Mutex
	keys map[string][]byte
	gone map[string]bool
	err  error
}

func (k *keyStore) Fetch(_ context.Context, ids []string) (seal.DataKeys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return seal.DataKeys{}, k.err
	}
	out := seal.DataKeys{Keys: map[string][]byte{}, Gone: map[string]bool{}}
	for _, i := range ids {
		if k.gone[i] {
			out.Gone[i] = true
		} else if key, there := k.keys[i]; there {
			out.Keys[i] = key
		}
	}
	return out, nil
}

func (k *keyStore) destroy(rsvp string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, rsvp)
	k.gone[rsvp] = true
}

// saturday is when the stories begin: 2 May 2026, 10:00 in Berlin.
var saturday = time.Date(2026, 5, 2, 8, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	url := testkit.Database(t, func(ctx context.Context, url string) error { return postgres.Migrate(ctx, url, migrations.FS) })
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ring, err := testRing()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, clock: clockwork.NewFakeClockAt(saturday), pool: pool, ring: ring, ledger: newLedger(t),
		keys:   &keyStore{keys: map[string][]byte{}, gone: map[string]bool{}},
		guests: map[string]*contract.RSVP{},
	}
	w.cfg = Config{
		Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", PublicURL: "https://turnout.example", Mail: mail.Config{From: "Turnout <mail@turnout.example>", SMTPAddr: w.ledger.addr}, Workers: 4, Tick: 250 * time.Millisecond, Quiet: time.Minute, Lease: time.Minute, HourlyLimit: 3, MailsPerHour: 10_000, PrivateWebhooks: true,
	}
	capacity := 100
	w.event = contract.Event{
		ID: newID(t), OrganizationID: newID(t), Slug: "spring-concert", Status: contract.EventDraft, Title: "Spring concert",
		StartsAt: saturday.AddDate(0, 0, 14), EndsAt: saturday.AddDate(0, 0, 14).Add(2 * time.Hour), TimeZone: "Europe/Berlin",
		Venue:    &contract.Venue{Name: "Town hall", Address: "Market 1", City: "Weimar", Country: "DE"},
		Capacity: &capacity, MaxParty: 10, WaitlistPolicy: contract.WaitlistAuto, Reminders: defaultReminders,
		Visibility: contract.VisibilityPublic,
	}
	return w
}

// start builds a notifier and runs its delivery; it stops with the test.
func (w *world) start() *Notifier {
	w.t.Helper()
	n, err := New(w.t.Context(), w.cfg, Deps{
		Log: testkit.Logger(w.t), Pool: w.pool, Kafka: kafkabus.Config{}, Keys: w.keys, Ring: w.ring, Clock: w.clock, Verifier: anybody{},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() {
		var both errgroup.Group
		both.Go(func() error { return n.mail.run(ctx) })
		both.Go(func() error { return n.hooks.run(ctx) })
		both.Go(func() error { return n.campaigns.run(ctx) })
		if n.push != nil {
			both.Go(func() error { return n.push.run(ctx) })
		}
		done <- both.Wait()
	}()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("deliverer: %v", err)
			}
		})
	}
	w.t.Cleanup(w.stop)
	w.n = n
	return n
}

func newID(t testing.TB) string {
	t.Helper()
	s, err := id.New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// envelope makes the next message about the event.
func (w *world) envelope(wireName, actor string, payload any) *message.Message {
	w.t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	w.version++
	env := contract.Envelope{
		Subject: w.event.ID, Version: w.version, Type: wireName, Org: w.event.OrganizationID, Actor: actor,
		ValidAt: w.clock.Now(), RecordedAt: w.clock.Now(), Chain: []byte{1}, Payload: body,
	}
	m := message.NewMessage(env.ID(), env.Payload)
	m.Metadata = env.Headers()
	return m
}

// about makes a message about the event.
func (w *world) about(wireName string, change func(*contract.Event)) *message.Message {
	if change != nil {
		change(&w.event)
	}
	w.event.Revision++
	return w.envelope(wireName, "member:m", contract.EventMessage{Event: w.event, Counters: w.counters})
}

// guest makes or changes an answer; name@example.org is the address.
func (w *world) guest(name, wireName, status string, change func(*contract.RSVP)) *message.Message {
	w.t.Helper()
	g := w.guests[name]
	before := contract.Change{}
	if g == nil {
		g = &contract.RSVP{
			ID: newID(w.t), EventID: w.event.ID, OrganizationID: w.event.OrganizationID, PartySize: 1, Locale: "en",
			TimeZone: "Europe/Berlin", Reminders: true, Consents: contract.Consents{Updates: true}, AddressConfirmed: true,
		}
		w.guests[name] = g
		w.seal(g, name)
	} else {
		before = contract.Change{Status: g.Status, PartySize: g.PartySize}
	}
	g.Status = status
	if status == contract.StatusWaitlisted && g.QueuedVersion == 0 {
		g.QueuedVersion = w.version + 1
	}
	if change != nil {
		change(g)
	}
	actor := "guest:" + g.ID
	if wireName == contract.RSVPPromotedV1 || wireName == contract.RSVPOfferedV1 || wireName == contract.RSVPOfferLapsedV1 {
		actor = "system:promote"
	}
	return w.envelope(wireName, actor, contract.RSVPMessage{RSVP: *g, Before: before, Counters: w.counters})
}

func (w *world) seal(g *contract.RSVP, name string) {
	w.t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys.mu.Lock()
	w.keys.keys[g.ID] = key
	w.keys.mu.Unlock()
	plain, err := json.Marshal(contract.Personal{Name: name, Email: name + "@example.org", EmailHMAC: []byte(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	if g.Sealed, err = seal.Seal(key, plain, g.ID); err != nil {
		w.t.Fatal(err)
	}
}

// hear hands the messages over as one batch.
func (w *world) hear(messages ...*message.Message) {
	w.t.Helper()
	if err := w.n.onMessages(w.t.Context(), messages); err != nil {
		w.t.Fatal(err)
	}
}

// publish is how most stories begin.
func (w *world) publish() {
	w.t.Helper()
	w.hear(w.about(contract.EventDraftedV1, nil),
		w.about(contract.EventPublishedV1, func(e *contract.Event) { e.Status = contract.EventPublished }))
}

func (w *world) going(name string) *message.Message {
	return w.guest(name, contract.RSVPConfirmedV1, contract.StatusConfirmed, nil)
}

// at moves the clock forward to a time and lets everything due go out.
func (w *world) at(when time.Time) {
	w.t.Helper()
	d := when.Sub(w.clock.Now())
	if d < 0 {
		w.t.Fatalf("the clock stands at %s, after %s", w.clock.Now(), when)
	}
	w.clock.Advance(d)
	w.settle()
}

func (w *world) after(d time.Duration) { w.t.Helper(); w.at(w.clock.Now().Add(d)) }

// settle waits until nothing is due.
func (w *world) settle() {
	w.t.Helper()
	testkit.Eventually(w.t, 20*time.Second, 5*time.Millisecond, func() error {
		w.n.wake()
		var open int
		err := w.pool.QueryRow(w.t.Context(), `
			SELECT count(*) FROM notifier.notification
			WHERE state = 'claimed' OR state IN ('planned', 'failed') AND next_at <= $1`, w.clock.Now()).Scan(&open)
		if err == nil && open > 0 {
			err = fmt.Errorf("%d notices are due and not done", open)
		}
		return err
	})
}

// expect checks what a guest got since the last time it was asked.
func (w *world) expect(name string, subjects ...string) {
	w.t.Helper()
	got := w.ledger.to(name + "@example.org")
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", subjects) {
		w.t.Errorf("%s: %s got %q, expected %q", w.clock.Now().Format(time.RFC3339), name, got, subjects)
	}
	w.ledger.forget(name + "@example.org")
}

// states counts the notices of a guest by kind and state.
func (w *world) states(name string) map[string]int {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `
		SELECT kind || ' ' || state || CASE WHEN state = 'void' THEN ' ' || outcome ELSE '' END, count(*)
		FROM notifier.notification WHERE rsvp_id = $1 GROUP BY 1`, w.guests[name].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var what string
		var n int
		if err := rows.Scan(&what, &n); err != nil {
			w.t.Fatal(err)
		}
		out[what] = n
	}
	return out
}
