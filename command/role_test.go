package command_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/command/account"
	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/httpapi"
	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/described"
	"github.com/turnout-events/turnout/migrations"
)

const (
	serviceToken = "service-token-of-the-test"
	opsToken     = "ops-token-of-the-test"
	password     = "correct horse battery"
)

// patience is what these tests have with the role: they are about right answers, also on a busy machine; those about
// time set their own bounds.
const patience = time.Minute

// TestMain keeps gin from printing every route of every role.
func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

func keyring() (*seal.Keyring, error) {
	return seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32)))
}

// signingKey is made once for all roles: an RSA key takes the better part of a
// second under the race detector.
var signingKey = sync.OnceValues(func() ([]byte, error) {
	ring, err := keyring()
	if err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return ring.Wrap(der, "signing_key/test")
})

// role is a command role of its own, on its own database.
type role struct {
	t    *testing.T
	base string
	ops  string
	pool *pgxpool.Pool
	ring *seal.Keyring

	redis  *redisconn.Conn
	change []func(*command.Config, *command.Deps)
}

// start runs the role until the test ends; change may alter its settings.
func start(t *testing.T, change ...func(*command.Config, *command.Deps)) *role {
	t.Helper()
	url := testkit.Database(t, func(ctx context.Context, url string) error {
		return postgres.Migrate(ctx, url, migrations.FS)
	})
	log := testkit.Logger(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 6,
		LockTimeout: patience, StatementTimeout: patience, IdleInTransactionTimeout: 5 * patience}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	redis, err := redisconn.Open(t.Context(), redisconn.Config{URL: testkit.Engines(t).Redis, Namespace: testkit.Namespace(t), Timeout: 5 * time.Second}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	ring, err := keyring()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `INSERT INTO signing_key (kid, wrapped, created_at) VALUES ('test', $1, now())`, wrapped); err != nil {
		t.Fatal(err)
	}
	r := &role{t: t, pool: pool, ring: ring, redis: redis, change: change}
	r.run()
	return r
}

// again starts a second process of the role on the same database.
func (r *role) again() *role {
	r.t.Helper()
	other := &role{t: r.t, pool: r.pool, ring: r.ring, redis: r.redis, change: r.change}
	other.run()
	return other
}

func (r *role) run() {
	t := r.t
	t.Helper()
	log := testkit.Logger(t)
	cfg := command.Config{
		Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", MaxCapacity: 1000, TrustedProxies: []string{"127.0.0.1"},
		RetentionEvery: time.Hour,
		Admission:      admission.DefaultConfig(),
		Accounts:       account.Config{AccessTTL: 15 * time.Minute, RefreshTTL: 24 * time.Hour, SigningKeyTTL: 720 * time.Hour},
		Limits: httpapi.Limits{
			RSVPGuest: limit.Rate{N: 1000, Per: time.Minute}, LoginAddress: limit.Rate{N: 5, Per: time.Hour},
			GuestLink: limit.Rate{N: 3, Per: time.Hour},
		},
	}
	cfg.Admission.AnswerWithin, cfg.Admission.DecideWithin = patience, patience
	deps := command.Deps{
		Pool: r.pool, Redis: r.redis, Keyring: r.ring, Log: log, Registry: prometheus.NewRegistry(),
		PublicURL: "https://turnout.example/", ServiceToken: serviceToken, OpsToken: opsToken, AnswerBound: patience,
	}
	for _, f := range r.change {
		f(&cfg, &deps)
	}
	c, err := command.New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("role did not stop cleanly: %v", err)
		}
	})
	select {
	case <-c.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	r.base, r.ops = "http://"+c.Addr(), "http://"+c.OpsAddr()
}

// request is one call; body is JSON text, or a value to be encoded.
type request struct {
	method, path string
	auth         string // the whole Authorization header
	body         any
	key          string
	header       map[string]string
	ops          bool
}

type response struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

func (r *role) do(q request) response {
	r.t.Helper()
	resp, err := r.try(q)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp
}

// insist sends the same request with the same key until its outcome is known,
// as a client does that is told to come back: a busy machine answers late.
func (r *role) insist(q request) (response, error) {
	for tries := 0; ; tries++ {
		got, err := r.try(q)
		if err != nil || tries == 50 || (got.status != http.StatusServiceUnavailable && got.text("code") != "idempotency-key-in-use") {
			return got, err
		}
		select {
		case <-r.t.Context().Done():
			return got, r.t.Context().Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// try is do for goroutines of a test, which must not end it.
func (r *role) try(q request) (response, error) {
	var in io.Reader
	switch b := q.body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	case []byte:
		in = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return response{}, err
		}
		in = bytes.NewReader(encoded)
	}
	base := r.base
	if q.ops {
		base = r.ops
	}
	req, err := http.NewRequestWithContext(r.t.Context(), q.method, base+q.path, in)
	if err != nil {
		return response{}, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.auth != "" {
		req.Header.Set("Authorization", q.auth)
	}
	if q.key != "" {
		req.Header.Set("Idempotency-Key", q.key)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	client := http.DefaultClient
	if !q.ops { // which the gateway gathers, in another shape
		client = &http.Client{Transport: described.Transport(r.t, nil)}
	}
	res, err := client.Do(req)
	if err != nil {
		return response{}, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return response{t: r.t, what: q.method + " " + q.path, status: res.StatusCode, header: res.Header, body: body}, err
}

// want fails unless the status is the given one, and for a problem also its code.
func (r response) want(status int, code ...string) response {
	r.t.Helper()
	if r.status != status || len(code) > 0 && r.text("code") != code[0] {
		r.t.Fatalf("%s: %d %s, want %d %v", r.what, r.status, r.body, status, code)
	}
	if r.status >= 400 && r.header.Get("Content-Type") != "application/problem+json" {
		r.t.Fatalf("%s: %d without a problem document: %s", r.what, r.status, r.body)
	}
	return r
}

func (r response) json() map[string]any {
	r.t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.body)
	}
	return v
}

func (r response) text(name string) string { s, _ := r.json()[name].(string); return s }
func (r response) number(name string) int  { n, _ := r.json()[name].(float64); return int(n) }

// pointers are what a problem complains about.
func (r response) pointers() []string {
	var v struct {
		Errors []struct{ Pointer string }
	}
	_ = json.Unmarshal(r.body, &v)
	out := []string{}
	for _, e := range v.Errors {
		out = append(out, e.Pointer)
	}
	return out
}
