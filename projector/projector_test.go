package projector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/access"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/availability"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/guestlist"
	"github.com/turnout-events/turnout/projector/listing"
)

// stores are a set of read stores and the handlers that write them.
type stores struct {
	t        *testing.T
	elastic  *elastic.Client
	redis    *redisconn.Conn
	ns       string
	handlers map[string]kafkabus.Handler // of the registrations
	access   kafkabus.Handler
}

func open(t *testing.T, keys guestlist.Keys) *stores {
	t.Helper()
	at, ns := testkit.Engines(t), testkit.Namespace(t)
	log := slog.New(slog.DiscardHandler)
	ctx := t.Context()
	es, err := elastic.Open(ctx, elastic.Config{URL: at.Elastic, Namespace: ns, Timeout: time.Minute}, log)
	must(t, err)
	rd, err := redisconn.Open(ctx, redisconn.Config{URL: at.Redis, Namespace: ns, Timeout: 5 * time.Second}, log)
	must(t, err)
	t.Cleanup(func() { _ = rd.Close(); _ = es.Close(context.WithoutCancel(ctx)) })
	must(t, projector.EnsureIndices(ctx, es, time.Minute))
	alias := feed.To
	tracker := func(name string) func(context.Context, []feed.Item) { return feed.NewTracker(rd, name, log).Applied }
	return &stores{t: t, elastic: es, redis: rd, ns: ns,
		handlers: map[string]kafkabus.Handler{
			listing.Group:      listing.New(es, alias(document.Listings), tracker(listing.Group), log).Handle,
			guestlist.Group:    guestlist.New(es, keys, alias(document.GuestList), tracker(guestlist.Group), log).Handle,
			analytics.Group:    analytics.New(es, alias(document.Facts), tracker(analytics.Group), nil).Handle,
			availability.Group: availability.New(rd, tracker(availability.Group)).Handle,
		},
		access: access.New(rd, es, alias(document.Access)).Handle,
	}
}

// apply hands messages over in batches of random sizes.
func (s *stores) apply(random *rand.Rand, registrations, organizations []*message.Message) {
	s.t.Helper()
	for len(registrations) > 0 {
		n := min(1+random.IntN(40), len(registrations))
		for name, handle := range s.handlers {
			if err := handle(s.t.Context(), registrations[:n]); err != nil {
				s.t.Fatalf("%s: %v", name, err)
			}
		}
		registrations = registrations[n:]
	}
	for len(organizations) > 0 {
		n := min(1+random.IntN(5), len(organizations))
		must(s.t, s.access(s.t.Context(), organizations[:n]))
		organizations = organizations[n:]
	}
}

// dump is everything that the stores hold.
func (s *stores) dump() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, index := range document.Indices {
		must(s.t, s.elastic.Refresh(s.t.Context(), index))
		must(s.t, s.elastic.Each(s.t.Context(), index, nil, 500, func(h elastic.Hit) error {
			out[index+"/"+h.ID] = string(h.Source)
			return nil
		}))
	}
	keys, err := s.redis.Keys(s.t.Context(), s.ns+":*").Result()
	must(s.t, err)
	for _, key := range keys {
		name := strings.TrimPrefix(key, s.ns+":")
		if fields, err := s.redis.HGetAll(s.t.Context(), key).Result(); err == nil {
			b, err := json.Marshal(fields)
			must(s.t, err)
			out[name] = string(b)
			continue
		}
		out[name] = s.redis.Get(s.t.Context(), key).Val()
	}
	return out
}

// Whatever the order in which messages come, and however often: the same
// stores. For every projector.
func TestOrderAndRepetitionChangeNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	world := newWorld(t, random)
	registrations, organizations := world.messages()

	straight := open(t, world)
	straight.apply(random, registrations, organizations)
	want := straight.dump()
	if len(want) < len(world.rsvps) {
		t.Fatalf("only %d documents", len(want))
	}
	for round := range 3 {
		mixed := open(t, world)
		var r, o []*message.Message
		for range 1 + random.IntN(2) {
			r, o = append(r, copies(registrations)...), append(o, copies(organizations)...)
		}
		random.Shuffle(len(r), func(i, j int) { r[i], r[j] = r[j], r[i] })
		random.Shuffle(len(o), func(i, j int) { o[i], o[j] = o[j], o[i] })
		mixed.apply(random, r, o)
		mixed.apply(random, copies(registrations), copies(organizations)) // and a replay from the start
		got := mixed.dump()
		for key, value := range want {
			if got[key] != value {
				t.Errorf("round %d: %s is\n%s, want\n%s", round, key, got[key], value)
			}
		}
		for key := range got {
			if _, ok := want[key]; !ok {
				t.Errorf("round %d: %s is there for no reason", round, key)
			}
		}
	}
}

// A bad message is rejected alone, whatever is bad about it; those beside it
// are applied.
func TestPoison(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	world := newWorld(t, random)
	registrations, _ := world.messages()
	good := registrations[:10]
	broken := func(change func(m *message.Message)) *message.Message {
		m := copies(registrations[11:12])[0]
		change(m)
		return m
	}
	bad := []*message.Message{
		broken(func(m *message.Message) { m.Payload = []byte("{") }),
		broken(func(m *message.Message) { m.Payload = nil }),
		broken(func(m *message.Message) { m.Payload = []byte(`{"event":{},"rsvp":{}}`) }),
		broken(func(m *message.Message) { m.Payload = []byte(`null`) }),
		broken(func(m *message.Message) { m.Metadata[contract.HeaderVersion] = "-1" }),
		broken(func(m *message.Message) { m.Metadata[contract.HeaderVersion] = "9223372036854775807" }),
		broken(func(m *message.Message) { m.Metadata[contract.HeaderType] = "event.exploded.v1" }),
		broken(func(m *message.Message) { m.Metadata = message.Metadata{} }),
	}
	s := open(t, world)
	for name, handle := range s.handlers {
		for i, m := range bad {
			batch := append(append([]*message.Message{}, good[:i]...), append([]*message.Message{m}, good[i:]...)...)
			err := handle(t.Context(), batch)
			var rejected *kafkabus.Rejected
			if name == guestlist.Group && err == nil && i < 4 {
				continue // a message about the event itself is not its business
			}
			if !as(err, &rejected) || len(rejected.Reasons) != 1 || rejected.Reasons[i] == nil {
				t.Errorf("%s, poison %d: %v", name, i, err)
			}
		}
	}
	clean := open(t, world)
	clean.apply(random, good, nil)
	got, want := s.dump(), clean.dump()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %s, want %s", key, got[key], value)
		}
	}
}

// A missing version holds the mark until it comes.
func TestGap(t *testing.T) {
	t.Parallel()
	gaps := feed.NewGaps()
	now := time.Now()
	if got := gaps.Seen("e", 0, []int64{1, 2, 3}, now); got != 3 {
		t.Errorf("in order: %d", got)
	}
	if got := gaps.Seen("e", 0, []int64{5, 6}, now); got != 3 {
		t.Errorf("4 is missing: %d", got)
	}
	if n, age := gaps.Open(now.Add(time.Minute)); n != 1 || age != time.Minute {
		t.Errorf("open: %d for %s", n, age)
	}
	if got := gaps.Seen("e", 0, []int64{2, 4}, now); got != 6 {
		t.Errorf("4 came: %d", got)
	}
	if n, _ := gaps.Open(now); n != 0 {
		t.Errorf("still open: %d", n)
	}
	// Another process closed the gap, or read the partition meanwhile: its mark counts.
	gaps.Seen("h", 0, []int64{1, 3}, now)
	if got := gaps.Unknown(map[string][]int64{"h": {4}, "e": {7}, "i": {1}}); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"h", "i"}) {
		t.Errorf("marks wanted of %v", got)
	}
	if got := gaps.Seen("h", 2, []int64{4}, now); got != 4 {
		t.Errorf("after a mark of 2 h is seen up to %d", got)
	}
	if got := gaps.Unknown(map[string][]int64{"h": {21}}); len(got) != 1 {
		t.Error("no mark wanted before a gap opens")
	}
	if got := gaps.Seen("h", 20, []int64{21}, now); got != 21 {
		t.Errorf("after a mark of 20 h is seen up to %d", got)
	}
	if got := gaps.Seen("f", 7, []int64{9}, now); got != 7 {
		t.Errorf("after a restart, 8 is missing: %d", got)
	}
	if got := gaps.Seen("g", 0, []int64{41}, now); got != 41 {
		t.Errorf("a lost mark is no gap: %d", got)
	}
}

// world is a made-up history of a few events, consistent per event.
type world struct {
	t      *testing.T
	random *rand.Rand
	rsvps  map[string]*contract.RSVP
	keys   map[string][]byte
	log    []*contract.Envelope
	orgs   []*contract.Envelope
	clock  atomic.Int64
}

func newWorld(t *testing.T, random *rand.Rand) *world {
	w := &world{t: t, random: random, rsvps: map[string]*contract.RSVP{}, keys: map[string][]byte{}}
	org := newID(t)
	for v := range 6 {
		o := contract.Organization{ID: org, Slug: "org", Name: "Org " + strconv.Itoa(v), CreatedAt: time.Unix(0, 0).UTC()}
		for range random.IntN(4) {
			o.Members = append(o.Members, contract.Member{AccountID: newID(t), Role: contract.RoleEditor})
		}
		w.orgs = append(w.orgs, w.envelope(org, int64(v+1), contract.OrganizationChangedV1, org, contract.OrganizationMessage{Organization: o}))
	}
	for range 4 {
		w.event(org)
	}
	return w
}

func (w *world) event(org string) {
	t, random := w.t, w.random
	lat, lon := random.Float64()*180-90, random.Float64()*360-180
	capacity := 20
	e := contract.Event{ID: newID(t), OrganizationID: org, Status: contract.EventPublished, Title: "Fête n° " + strconv.Itoa(random.IntN(100)),
		StartsAt: time.Unix(2_000_000_000, 0).UTC(), EndsAt: time.Unix(2_000_003_600, 0).UTC(), TimeZone: "Europe/Paris",
		Tags: []string{"Été", "b"}, Visibility: contract.VisibilityPublic, Venue: &contract.Venue{City: "Orléans", Country: "FR", Lat: &lat, Lon: &lon}}
	e.Slug = "e-" + e.ID
	counters := contract.Counters{Capacity: &capacity}
	var guests []*contract.RSVP
	for v := int64(1); v <= 60; v++ {
		if v == 1 || random.IntN(8) == 0 {
			e.Revision++
			e.Description = "edited " + strconv.FormatInt(v, 10)
			w.log = append(w.log, w.envelope(e.ID, v, contract.EventEditedV1, org, contract.EventMessage{Event: e, Counters: counters}))
			continue
		}
		var r *contract.RSVP
		if len(guests) == 0 || random.IntN(2) == 0 {
			r = &contract.RSVP{ID: newID(t), EventID: e.ID, OrganizationID: org, PartySize: 1, CreatedAt: time.Unix(v, 0).UTC()}
			guests = append(guests, r)
			w.rsvps[r.ID] = r
			key, err := seal.NewKey()
			must(t, err)
			w.keys[r.ID] = key
		} else {
			r = guests[random.IntN(len(guests))]
		}
		before := contract.Change{Status: r.Status, PartySize: r.PartySize}
		r.Status = []string{contract.StatusConfirmed, contract.StatusCancelled, contract.StatusMaybe}[random.IntN(3)]
		counters.Going = random.IntN(20)
		plain, err := json.Marshal(contract.Personal{Name: fmt.Sprintf("Guest %d", v), Email: "g@example.org"})
		must(t, err)
		r.Sealed, err = seal.Seal(w.keys[r.ID], plain, r.ID)
		must(t, err)
		w.log = append(w.log, w.envelope(e.ID, v, contract.RSVPChangedV1, org, contract.RSVPMessage{RSVP: *r, Before: before, Counters: counters}))
	}
}

func (w *world) envelope(subject string, version int64, wireName, org string, payload any) *contract.Envelope {
	body, err := json.Marshal(payload)
	must(w.t, err)
	at := time.Unix(1_900_000_000+w.clock.Add(1), 0).UTC()
	return &contract.Envelope{Subject: subject, Version: version, Type: wireName, Org: org, ValidAt: at, RecordedAt: at, Actor: "system:test", Payload: body}
}

// Fetch makes the world the keeper of its keys.
func (w *world) Fetch(_ context.Context, ids []string) (seal.DataKeys, error) {
	out := seal.DataKeys{Keys: map[string][]byte{}, Gone: map[string]bool{}}
	for _, id := range ids {
		out.Keys[id] = w.keys[id]
	}
	return out, nil
}

func (w *world) messages() (registrations, organizations []*message.Message) {
	return messagesOf(w.log), messagesOf(w.orgs)
}

func messagesOf(log []*contract.Envelope) []*message.Message {
	out := make([]*message.Message, len(log))
	for i, e := range log {
		out[i] = message.NewMessage(e.ID(), bytes.Clone(e.Payload))
		for k, v := range e.Headers() {
			out[i].Metadata.Set(k, v)
		}
		out[i].Metadata.Set(kafkabus.MetaPartition, "0")
		out[i].Metadata.Set(kafkabus.MetaOffset, strconv.Itoa(i))
	}
	return out
}

func copies(messages []*message.Message) []*message.Message {
	out := slices.Clone(messages)
	for i, m := range out {
		out[i] = m.Copy()
	}
	return out
}

func newID(t *testing.T) string {
	t.Helper()
	s, err := id.New()
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func as(err error, target **kafkabus.Rejected) bool {
	r, ok := err.(*kafkabus.Rejected) //nolint:errorlint // the handler's own answer, not a chain
	*target = r
	return ok
}
