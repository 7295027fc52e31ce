package query_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/feed"
)

// follower reads the feed as an integrator does, from where it was.
type follower struct {
	r        *readSide
	path     string
	member   []string
	after    string
	versions []int64
}

func (r *readSide) follower(org string, limit int) *follower {
	account := newID(r.t)
	r.organization(org, contract.Member{AccountID: account, Role: contract.RoleOwner})
	testkit.Eventually(r.t, 15*time.Second, 50*time.Millisecond, func() error {
		return r.redis.HGet(r.t.Context(), r.redis.Key("roles", org), account).Err()
	})
	return &follower{r: r, path: "/v1/changes?organization_id=" + org + "&limit=" + strconv.Itoa(limit) + "&after=", member: []string{"Authorization", "Bearer account:" + account}}
}

// read takes all there is now.
func (f *follower) read() []int64 {
	f.r.t.Helper()
	for {
		page := ok[struct {
			Items []struct {
				Version int64 `json:"version"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}](f.r.t, f.r.get(f.path+f.after, f.member...))
		f.after = page.Next
		if len(page.Items) == 0 {
			return f.versions
		}
		for _, item := range page.Items {
			f.versions = append(f.versions, item.Version)
		}
	}
}

// lame stands before Elasticsearch and, while it is, takes every document of a
// _bulk request but the first, which it answers with 429.
func lame(t *testing.T, to string, is *atomic.Bool) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(mustURL(t, to))
	proxy.ModifyResponse = func(res *http.Response) error {
		if res.Request.Header.Get("X-Lame") == "" {
			return nil
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		b = bytes.Replace(b, []byte(`"items":[`), []byte(`"items":[{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue full"}}},`), 1)
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		res.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "_bulk") && is.Load() {
			b, err := io.ReadAll(req.Body)
			if err != nil {
				t.Error(err)
			}
			b = bytes.SplitAfterN(b, []byte("\n"), 3)[2]
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			req.Header.Set("X-Lame", "1")
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// What a request applied in part is given out only when the rest is there, so
// nobody goes past a message that comes with the next attempt. That holds from a
// partition's first message on.
func TestFeedWaitsForWhatFailed(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org := newID(t)
	f := r.follower(org, 2)
	e := r.event(org, "In part")
	var is atomic.Bool
	es, err := elastic.Open(ctx, elastic.Config{URL: lame(t, testkit.Engines(t).Elastic, &is), Namespace: r.kafka.Namespace, Timeout: time.Minute}, testkit.Logger(t))
	must(t, err)
	defer func() { must(t, es.Close(ctx)) }()
	facts := analytics.New(es, feed.To(document.Facts), func(context.Context, []feed.Item) {}, feed.NewMarks(r.redis, analytics.Group).RaiseFeed)
	const partition = 40 // nobody else's
	var want []int64
	for batch := range 3 {
		messages := make([]*message.Message, 3)
		for i := range messages {
			env := r.next(e.ID, contract.EventPublishedV1, org, contract.EventMessage{Event: e})
			m := messageOf(env)
			m.Metadata.Set(kafkabus.MetaTopic, contract.TopicRegistrations)
			m.Metadata.Set(kafkabus.MetaPartition, strconv.Itoa(partition))
			m.Metadata.Set(kafkabus.MetaOffset, strconv.Itoa(3*batch+i))
			messages[i] = m
			want = append(want, env.Version)
		}
		before := f.read()
		is.Store(true)
		var rejected *kafkabus.Rejected
		if err := facts.Handle(ctx, messages); err == nil || errors.As(err, &rejected) {
			t.Fatalf("a request that was applied in part: %v", err)
		}
		is.Store(false)
		must(t, r.elastic.Refresh(ctx, document.Facts))
		if n, err := r.elastic.Count(ctx, document.Facts, map[string]any{"term": map[string]any{"event_id": e.ID}}); err != nil || n != int64(len(want)-1) {
			t.Fatalf("%d of %d facts are visible, %v: this tests nothing", n, len(want), err)
		}
		if got := f.read(); len(got) != len(before) {
			t.Errorf("given out before %d was there: %v", want[len(before)], got)
		}
		asked := append(atLeast(e.ID, want[len(want)-1]), f.member...)
		if early := r.late(f.path+f.after, asked...); !early.notYetVisible() {
			t.Errorf("asked for %d, which is not given out: %d %s", want[len(want)-1], early.status, early.body)
		}
		must(t, facts.Handle(ctx, messages))
		if now := r.get(f.path+f.after, asked...); now.status != http.StatusOK || !strings.Contains(string(now.body), e.ID) {
			t.Errorf("asked for %d: %d %s", want[len(want)-1], now.status, now.body)
		}
		if got := f.read(); !slices.Equal(got, want) {
			t.Fatalf("the feed has %v, want %v", got, want)
		}
	}
}

// A dead letter that is redriven reaches those who were past it, once, and also
// whoever begins after a rebuild, which reads the same bad message from the log.
func TestFeedGivesWhatWasRedriven(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org := newID(t)
	f := r.follower(org, 1)
	e := r.event(org, "Mended")
	r.publish(e, contract.Counters{})
	poison := r.next(e.ID, contract.EventPublishedV1, org, map[string]any{"event": "not an object"})
	r.send(contract.TopicRegistrations, poison)
	r.publish(e, contract.Counters{})
	reads := func(f *follower, want ...int64) {
		t.Helper()
		testkit.Eventually(t, 40*time.Second, 200*time.Millisecond, func() error {
			if got := f.read(); !slices.Equal(got, want) {
				return errorf("the feed has %v, want %v", got, want)
			}
			return nil
		})
	}
	reads(f, 1, 3)
	deps := r.deps
	deps.Registry = prometheus.NewRegistry()
	p, err := projector.New(ctx, projectorConfig, deps)
	must(t, err)
	var letters []kafkabus.DeadLetter
	testkit.Eventually(t, 10*time.Second, 100*time.Millisecond, func() error {
		if letters, err = kafkabus.ReadDLQ(ctx, r.kafka, "facts", 10); err != nil || len(letters) != 1 {
			return errorf("%d letters, %w", len(letters), err)
		}
		return nil
	})
	body, err := json.Marshal(contract.EventMessage{Event: e}) // as if a later build could read it
	must(t, err)
	letters[0].Message.Payload = body
	// A late fact must be there within seconds of its time, so a slow machine may have to try again.
	testkit.Eventually(t, time.Minute, 100*time.Millisecond, func() error { return p.Redrive(ctx, letters[0]) })
	reads(f, 1, 3, 2)

	b := projector.Rebuilder{Config: projectorConfig, Deps: deps}
	if _, err := b.Rebuild(ctx, document.Facts); err != nil {
		t.Fatal(err)
	}
	anew := follower{r: r, path: f.path, member: f.member}
	reads(&anew, 1, 3, 2)
	r.publish(e, contract.Counters{})
	reads(f, 1, 3, 2, 4)
}

// A cursor holds for as long as the facts keep their places: over a rebuild, and
// over a Redis that lost everything, but not over a refill of Kafka, neither over
// its beginning nor over its end.
func TestCursorsExpireWithARefill(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org := newID(t)
	f := r.follower(org, 100)
	e := r.event(org, "Refilled twice")
	r.publish(e, contract.Counters{})
	ok[map[string]any](t, r.get(f.path, append(atLeast(e.ID, 1), f.member...)...))
	cursor := func() string {
		t.Helper()
		return ok[struct {
			Next string `json:"next_cursor"`
		}](t, r.get(f.path, f.member...)).Next
	}
	holds := func(when, cursor string, want int) {
		t.Helper()
		if got := r.get(f.path+cursor, f.member...); got.status != want {
			t.Errorf("%s a cursor is answered %d, want %d: %s", when, got.status, want, got.body)
		}
	}
	rebuild := func() {
		t.Helper()
		_, err := (&projector.Rebuilder{Config: projectorConfig, Deps: r.deps}).Rebuild(ctx, document.Facts)
		must(t, err)
	}
	before := cursor()
	must(t, r.redis.Del(ctx, r.redis.Key(document.KeyFeed), r.redis.Key(document.KeyFeedEpoch)).Err())
	holds("after Redis lost its data", before, http.StatusOK) // 503 until the projector has looked
	rebuild()
	holds("after a rebuild", before, http.StatusOK)

	must(t, feed.BeginRefill(ctx, r.redis))
	holds("after a refill began,", before, http.StatusGone)
	between := cursor()
	holds("while a refill goes on", between, http.StatusOK)
	rebuild()
	holds("after the refill", before, http.StatusGone)
	holds("of a refill, after it,", between, http.StatusGone)
	after := cursor()
	rebuild()
	holds("of after a refill, after one more rebuild,", after, http.StatusOK)
	_, err := (&projector.Rebuilder{Config: projectorConfig, Deps: r.deps}).Rollback(ctx, document.Facts)
	must(t, err)
	holds("after going back to facts that may be of before a refill", after, http.StatusGone)
}
