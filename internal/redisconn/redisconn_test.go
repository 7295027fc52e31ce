package redisconn_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
)

func open(t *testing.T, cfg redisconn.Config) *redisconn.Conn {
	t.Helper()
	c, err := redisconn.Open(t.Context(), cfg, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func conn(t *testing.T) *redisconn.Conn {
	t.Helper()
	return open(t, redisconn.Config{URL: testkit.Engines(t).Redis, Namespace: testkit.Namespace(t), Timeout: 5 * time.Second})
}

// newest keeps the greatest version it was given. Its text differs per test: the server keeps scripts for all.
func newest(t *testing.T) *redisconn.Script {
	t.Helper()
	return redisconn.NewScript("newest", "-- "+t.Name()+time.Now().String()+`
		local has = tonumber(redis.call('GET', KEYS[1]) or '0')
		if tonumber(ARGV[1]) <= has then return 0 end
		redis.call('SET', KEYS[1], ARGV[1])
		return 1`)
}

func calls(c *redisconn.Conn, n int) []redisconn.Call {
	out := make([]redisconn.Call, n)
	for i := range out {
		out[i] = redisconn.Call{Keys: []string{c.Key("k", fmt.Sprint(i))}, Args: []any{i + 1}}
	}
	return out
}

func TestOnlyTheDefaultNamespaceHasNoPrefix(t *testing.T) {
	t.Parallel()
	plain := redisconn.Config{Namespace: "turnout"}
	if got := plain.Key("avail", "e1"); got != "avail:e1" {
		t.Error(got)
	}
	if got := plain.Channel("avail"); got != "turnout:avail" {
		t.Error(got)
	}
	other := redisconn.Config{Namespace: "t1"}
	if got := other.Key("avail", "e1"); got != "t1:avail:e1" {
		t.Error(got)
	}
}

func TestPipelinedScriptSurvivesAForgetfulServer(t *testing.T) {
	t.Parallel()
	c := conn(t)
	script := newest(t)
	for round, want := range []int64{1, 0} {
		// What a restart does. Other tests' scripts go too, and must come back the same way.
		if err := c.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		results, err := c.Pipelined(t.Context(), script, calls(c, 300))
		if err != nil {
			t.Fatal(err)
		}
		if len(results) != 300 {
			t.Fatalf("%d results", len(results))
		}
		for i, r := range results {
			if r != want {
				t.Fatalf("round %d, call %d: %v", round, i, r)
			}
		}
	}
	for i := range 300 {
		if got := c.Get(t.Context(), c.Key("k", fmt.Sprint(i))).Val(); got != fmt.Sprint(i+1) {
			t.Fatalf("key %d holds %q", i, got)
		}
	}
}

func TestScriptErrorNamesTheCallAndNilIsAResult(t *testing.T) {
	t.Parallel()
	c := conn(t)
	nothing, err := c.RunScript(t.Context(), redisconn.NewScript("nothing", "return false"), nil)
	if err != nil || nothing != nil {
		t.Errorf("%v, %v", nothing, err)
	}
	fails := redisconn.NewScript("fails", "if ARGV[1] == '2' then return redis.error_reply('WRONG two') end return ARGV[1]")
	_, err = c.Pipelined(t.Context(), fails, []redisconn.Call{{Args: []any{1}}, {Args: []any{2}}, {Args: []any{3}}})
	if err == nil || !strings.Contains(err.Error(), "fails, call 1 of 3: WRONG two") {
		t.Errorf("got %v", err)
	}
	if results, err := c.Pipelined(t.Context(), fails, nil); err != nil || len(results) != 0 {
		t.Errorf("no calls: %v, %v", results, err)
	}
}

func TestSilentServerCostsNoMoreThanTheTimeout(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // accepts in the kernel, never answers
	silent := redisconn.Config{URL: "redis://" + l.Addr().String() + "/0", Namespace: "t", Timeout: 50 * time.Millisecond}
	c := open(t, silent)
	began := time.Now()
	err = c.Healthy(t.Context())
	if err == nil || !strings.Contains(err.Error(), "TURNOUT_REDIS_URL") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	silent.Timeout = time.Minute
	patient, err := redisconn.Open(ctx, silent, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = patient.Close() })
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := patient.Healthy(ctx); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("a caller's deadline does not reach the socket: %v after %s", err, time.Since(began))
	}
}

func TestWrongURLIsOneLineWithoutThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://x:1", "redis://:sEcReT@", "redis://:sEcReT@x:nan/0", "redis://x:1/nan"} {
		_, err := redisconn.Open(t.Context(), redisconn.Config{URL: url, Namespace: "t"}, testkit.Logger(t))
		if err == nil || !strings.Contains(err.Error(), "TURNOUT_REDIS_URL") || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
