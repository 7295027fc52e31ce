package query_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"encoding/base64"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/described"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/query"
)

// readSide is the projector and the query role over real engines, with the
// write side played by the test.
type readSide struct {
	t         *testing.T
	url       string
	kafka     kafkabus.Config
	elastic   *elastic.Client
	redis     *redisconn.Conn
	publisher *kafkabus.Publisher
	keys      *fakeKeys
	ring      *seal.Keyring
	manage    *token.Manager
	members   fakeVerifier
	stopQuery func()
	deps      projector.Deps
	registry  *prometheus.Registry

	stopProjector func() // and wait until it writes no more

	// Between the query role, and it alone, and its stores.
	elasticCable, redisCable *testkit.Cable

	mu       sync.Mutex
	versions map[string]int64
}

var projectorConfig = projector.Config{Refresh: 100 * time.Millisecond, MaxBatch: 500}

// fakeVerifier takes "account:<id>" for an access token.
type fakeVerifier struct{}

func (fakeVerifier) Verify(_ context.Context, bearer string) (string, error) {
	if account, ok := strings.CutPrefix(bearer, "account:"); ok {
		return account, nil
	}
	return "", token.ErrToken
}

// fakeKeys holds data keys in memory.
type fakeKeys struct {
	mu   sync.Mutex
	keys map[string][]byte
	gone map[string]bool
	away bool
}

func (k *fakeKeys) Fetch(_ context.Context, ids []string) (seal.DataKeys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return seal.DataKeys{}, seal.ErrKeysAway
	}
	out := seal.DataKeys{Keys: map[string][]byte{}, Gone: map[string]bool{}}
	for _, id := range ids {
		if k.gone[id] {
			out.Gone[id] = true
		} else if key, ok := k.keys[id]; ok {
			out.Keys[id] = key
		}
	}
	return out, nil
}

func start(t *testing.T) *readSide {
	t.Helper()
	return startBehind(t, func(string) string { return "" })
}

// startBehind lets a test put something of its own between the query role and
// the cable to Elasticsearch: given the cable's URL it gives its own, or "".
func startBehind(t *testing.T, between func(elasticURL string) string) *readSide {
	t.Helper()
	at := testkit.Engines(t)
	ns := testkit.Namespace(t)
	log := testkit.Logger(t)
	ctx, cancel := context.WithCancel(t.Context())
	secret := make([]byte, seal.KeySize)
	_, err := rand.Read(secret)
	must(t, err)
	r := &readSide{
		t: t, kafka: kafkabus.Config{Brokers: at.Kafka, Namespace: ns}, versions: map[string]int64{},
		keys: &fakeKeys{keys: map[string][]byte{}, gone: map[string]bool{}},
	}
	r.ring, err = seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(secret))
	must(t, err)
	r.manage, err = token.NewManager(r.ring)
	must(t, err)
	r.elastic, err = elastic.Open(ctx, elastic.Config{URL: at.Elastic, Namespace: ns, Timeout: time.Minute}, log)
	must(t, err)
	r.redis, err = redisconn.Open(ctx, redisconn.Config{URL: at.Redis, Namespace: ns, Timeout: 5 * time.Second}, log)
	must(t, err)
	must(t, kafkabus.EnsureTopics(ctx, r.kafka, []kafkabus.TopicSpec{
		{Name: contract.TopicRegistrations, Partitions: contract.RegistrationPartitions},
		{Name: contract.TopicOrganizations, Partitions: 1},
		{Name: contract.TopicNotifications, Partitions: contract.NotificationPartitions},
	}))
	r.publisher, err = kafkabus.NewPublisher(r.kafka, log)
	must(t, err)

	registry := prometheus.NewRegistry()
	r.registry = registry
	r.deps = projector.Deps{Log: log, Registry: registry, Kafka: r.kafka, Elastic: r.elastic, Redis: r.redis, Keys: r.keys}
	p, err := projector.New(ctx, projectorConfig, r.deps)
	must(t, err)
	elasticURL, redisURL := mustURL(t, at.Elastic), mustURL(t, at.Redis)
	r.elasticCable, r.redisCable = testkit.NewCable(t, elasticURL.Host), testkit.NewCable(t, redisURL.Host)
	elasticURL.Host, redisURL.Host = r.elasticCable.Addr(), r.redisCable.Addr()
	atElastic := elasticURL.String()
	if own := between(atElastic); own != "" {
		atElastic = own
	}
	es, err := elastic.Open(ctx, elastic.Config{URL: atElastic, Namespace: ns, Timeout: 1500 * time.Millisecond}, log)
	must(t, err)
	rd, err := redisconn.Open(ctx, redisconn.Config{URL: redisURL.String(), Namespace: ns, Name: "query-" + ns}, log)
	must(t, err)
	q, err := query.New(ctx, query.Config{Addr: "127.0.0.1:0", PublicURL: "http://turnout.test"}, query.Deps{
		Log: log, Registry: registry, Elastic: es, Redis: rd, Ring: r.ring, Verifier: r.members})
	must(t, err)
	var wait sync.WaitGroup
	pctx, stopProjector := context.WithCancel(ctx)
	stopped := make(chan struct{})
	r.stopProjector = func() {
		stopProjector()
		<-stopped
	}
	wait.Go(func() {
		defer close(stopped)
		report(t, p.Run(pctx))
	})
	qctx, stopQuery := context.WithCancel(ctx)
	r.stopQuery = stopQuery
	wait.Go(func() { report(t, q.Run(qctx)) })
	<-p.Ready()
	<-q.Ready()
	r.url = "http://" + q.Addr()
	r.warmUp()
	t.Cleanup(func() {
		stopQuery()
		cancel()
		wait.Wait()
		_ = r.publisher.Close()
		_ = rd.Close()
		_ = es.Close(context.WithoutCancel(ctx))
		_ = r.redis.Close()
		_ = r.elastic.Close(context.WithoutCancel(ctx))
	})
	return r
}

// warmUp waits until every group consumes: joining takes longer than a read waits.
func (r *readSide) warmUp() {
	r.t.Helper()
	e := r.event(newID(r.t), "Warm-up", func(e *contract.Event) { e.Visibility = contract.VisibilityUnlisted })
	r.publish(e, contract.Counters{})
	v := r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(r.t), Response: contract.Going, EventID: e.ID, Status: contract.StatusConfirmed, PartySize: 1},
		contract.Personal{}, contract.Counters{})
	org := newID(r.t)
	r.organization(org)
	testkit.Eventually(r.t, time.Minute, 50*time.Millisecond, func() error {
		for _, name := range []string{"listing", "availability", "guestlist", "facts"} {
			if mark, err := r.redis.HGet(r.t.Context(), r.redis.Key("applied", e.ID), name).Int64(); err != nil || mark < v {
				return fmt.Errorf("%s is at %d: %w", name, mark, err)
			}
		}
		if err := r.redis.HGet(r.t.Context(), r.redis.Key("roles", org), "v").Err(); err != nil {
			return err
		}
		return r.redis.Get(r.t.Context(), r.redis.Key("sentinel")).Err() // until then seats come from the listing
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("role ended: %v", err)
	}
}

func newID(t *testing.T) string {
	t.Helper()
	s, err := id.New()
	must(t, err)
	return s
}

// next gives the envelope of the subject's next version.
func (r *readSide) next(subject, wireName, org string, payload any) *contract.Envelope {
	r.t.Helper()
	body, err := json.Marshal(payload)
	must(r.t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions[subject]++
	now := contract.Time(time.Now())
	return &contract.Envelope{Subject: subject, Version: r.versions[subject], Type: wireName, Org: org,
		ValidAt: now, RecordedAt: now, Actor: "system:test", Payload: body}
}

func (r *readSide) send(topic string, envelopes ...*contract.Envelope) {
	r.t.Helper()
	messages := make([]*message.Message, len(envelopes))
	for i, e := range envelopes {
		messages[i] = messageOf(e)
	}
	must(r.t, r.publisher.Publish(topic, messages...))
}

func messageOf(e *contract.Envelope) *message.Message {
	m := message.NewMessage(e.ID(), e.Payload)
	for k, v := range e.Headers() {
		m.Metadata.Set(k, v)
	}
	m.Metadata.Set(kafkabus.MetaKey, e.Subject)
	return m
}

// an event in a week, published, that options change.
func (r *readSide) event(org, title string, options ...func(*contract.Event)) contract.Event {
	begin := time.Now().Add(7 * 24 * time.Hour).UTC().Truncate(time.Second)
	id := newID(r.t)
	e := contract.Event{ID: id, OrganizationID: org, Slug: "e-" + id[len(id)-12:], Status: contract.EventPublished,
		Title: title, StartsAt: begin, EndsAt: begin.Add(2 * time.Hour), TimeZone: "Europe/Berlin",
		Tags: []string{}, Reminders: []contract.Duration{}, WaitlistPolicy: contract.WaitlistAuto, Visibility: contract.VisibilityPublic,
		RSVPClosesAt: begin, Questions: []contract.Question{}, Revision: 1, CreatedAt: begin, UpdatedAt: begin, MaxParty: 10}
	for _, o := range options {
		o(&e)
	}
	return e
}

func (r *readSide) publish(e contract.Event, counters contract.Counters) int64 {
	r.t.Helper()
	env := r.next(e.ID, contract.EventPublishedV1, e.OrganizationID, contract.EventMessage{Event: e, Counters: counters})
	r.send(contract.TopicRegistrations, env)
	return env.Version
}

// answer publishes an RSVP's message, sealed with a key that fakeKeys knows.
func (r *readSide) answer(wireName string, v contract.RSVP, personal contract.Personal, counters contract.Counters) int64 {
	r.t.Helper()
	env := r.sealed(wireName, v, personal, counters)
	r.send(contract.TopicRegistrations, env)
	return env.Version
}

func (r *readSide) sealed(wireName string, v contract.RSVP, personal contract.Personal, counters contract.Counters) *contract.Envelope {
	r.t.Helper()
	r.keys.mu.Lock()
	key := r.keys.keys[v.ID]
	if key == nil {
		var err error
		key, err = seal.NewKey()
		must(r.t, err)
		r.keys.keys[v.ID] = key
	}
	r.keys.mu.Unlock()
	plain, err := json.Marshal(personal)
	must(r.t, err)
	v.Sealed, err = seal.Seal(key, plain, v.ID)
	must(r.t, err)
	return r.next(v.EventID, wireName, v.OrganizationID, contract.RSVPMessage{RSVP: v, Counters: counters})
}

// organization publishes one and waits until it is known: for who has a role reads wait no longer than a request may take,
// and no version says that they should come again.
func (r *readSide) organization(org string, members ...contract.Member) {
	r.t.Helper()
	env := r.next(org, contract.OrganizationCreatedV1, org, contract.OrganizationMessage{
		Organization: contract.Organization{ID: org, Slug: "o-" + org[len(org)-8:], Name: "Org", Members: members}})
	r.send(contract.TopicOrganizations, env)
	testkit.Eventually(r.t, time.Minute, 20*time.Millisecond, func() error {
		got, err := r.elastic.Get(r.t.Context(), document.Access, org)
		if err == nil && got.Version < env.Version {
			err = errorf("the organization is at version %d, not at %d", got.Version, env.Version)
		}
		return err
	})
	must(r.t, r.elastic.Refresh(r.t.Context(), document.Access))
}

type response struct {
	status int
	header http.Header
	body   []byte
}

// get asks as a client that waits for its turn: on a busy machine a store may
// take longer than a request may, and a projector longer than a read waits for
// it. Both answers say when to come back.
func (r *readSide) get(path string, headers ...string) response {
	r.t.Helper()
	return r.asking(path, headers, func(got response) bool { return got.status == http.StatusServiceUnavailable || got.notYetVisible() })
}

// late is get for a version that never comes.
func (r *readSide) late(path string, headers ...string) response {
	r.t.Helper()
	return r.asking(path, headers, func(got response) bool { return got.status == http.StatusServiceUnavailable })
}

// asking asks until the answer is none that is asked for again, for a minute.
func (r *readSide) asking(path string, headers []string, again func(response) bool) response {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(500 * time.Millisecond) {
		if got := r.getOnce(path, headers...); !again(got) || time.Now().After(end) {
			return got
		}
	}
}

func (got response) notYetVisible() bool {
	return got.status == http.StatusConflict && strings.Contains(string(got.body), "not-yet-visible")
}

func (r *readSide) getOnce(path string, headers ...string) response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil)
	must(r.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: described.Transport(r.t, nil)}
	res, err := client.Do(req)
	must(r.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	must(r.t, err)
	return response{res.StatusCode, res.Header, body}
}

// ok wants 200 and decodes.
func ok[T any](t *testing.T, got response) T {
	t.Helper()
	var v T
	if got.status != http.StatusOK {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if err := json.Unmarshal(got.body, &v); err != nil {
		t.Fatalf("body %s: %v", got.body, err)
	}
	return v
}

func atLeast(subject string, version int64) []string {
	return []string{"Turnout-Min-Version", fmt.Sprintf("%s@%d", subject, version)}
}

func n(v int) *int { return &v }

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

func opOf(index, id string, version int64, doc any) []elastic.Op {
	return []elastic.Op{{Index: index, ID: id, Version: version, Doc: doc}}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	must(t, err)
	return u
}

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }
