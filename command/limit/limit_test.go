package limit_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
)

var start = time.Unix(1_800_000_000, 0) // the beginning of a minute

func policy(n int) limit.Policy {
	return limit.Policy{Name: "test", Rate: limit.Rate{N: n, Per: time.Minute}}
}

func alone(t *testing.T) *limit.Limiter {
	t.Helper()
	l, err := limit.New(nil, []byte("secret"), prometheus.NewRegistry(), testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWindowSlides(t *testing.T) {
	t.Parallel()
	l, p := alone(t), policy(10)
	take := func(at time.Duration) limit.Decision { return l.Take(p, "a", start.Add(at)) }
	for i := range 10 {
		if d := take(50 * time.Second); !d.Allowed || d.Remaining != 9-i {
			t.Fatalf("request %d: %+v", i, d)
		}
	}
	refused := take(55 * time.Second)
	if refused.Allowed || refused.Retry <= 5*time.Second || refused.Retry > 20*time.Second {
		t.Fatalf("the eleventh: %+v; a fixed window would let it in after 5s", refused)
	}
	if d := take(55*time.Second + refused.Retry - 200*time.Millisecond); d.Allowed {
		t.Errorf("let in before the time that it was told")
	}
	if d := take(55*time.Second + refused.Retry + 200*time.Millisecond); !d.Allowed {
		t.Errorf("not let in at the time that it was told: %+v", d)
	}
	if d := take(4 * time.Minute); d.Remaining != 9 {
		t.Errorf("after minutes of silence: %+v", d)
	}
	if d := l.Take(p, "b", start.Add(55*time.Second)); !d.Allowed {
		t.Error("somebody else was refused")
	}
	if d := l.Take(limit.Policy{Name: "off"}, "a", start); !d.Allowed || d.Limited() {
		t.Error("a limit that is off refused")
	}
}

func TestProcessesShareCounts(t *testing.T) {
	t.Parallel()
	ns := testkit.Namespace(t)
	one, two := shared(t, testkit.Engines(t).Redis, ns), shared(t, testkit.Engines(t).Redis, ns)
	now := time.Now()
	p := limit.Policy{Name: "test", Rate: limit.Rate{N: 20, Per: 24 * time.Hour}}
	for range 10 {
		one.Take(p, "a", now)
		two.Take(p, "a", now)
	}
	testkit.Eventually(t, 5*time.Second, 10*time.Millisecond, func() error {
		if a, b := one.Take(p, "a", now), two.Take(p, "a", now); a.Allowed || b.Allowed {
			return fmt.Errorf("20 were counted by two processes, and they still allow: %+v, %+v", a, b)
		}
		return nil
	})
}

// What was counted before it was known to count is free again for everybody, also after others heard of it.
func TestWhatIsGivenBackIsFreeAgain(t *testing.T) {
	t.Parallel()
	ns := testkit.Namespace(t)
	one, two := shared(t, testkit.Engines(t).Redis, ns), shared(t, testkit.Engines(t).Redis, ns)
	now := time.Now()
	p := limit.Policy{Name: "test", Rate: limit.Rate{N: 2, Per: 24 * time.Hour}}
	one.Take(p, "a", now)
	one.Take(p, "a", now)
	testkit.Eventually(t, 5*time.Second, 10*time.Millisecond, func() error {
		d := two.Take(p, "a", now)
		if d.Allowed {
			two.GiveBack(p, "a", now)
			return fmt.Errorf("another process does not know of two: %+v", d)
		}
		return nil
	})
	one.GiveBack(p, "a", now)
	testkit.Eventually(t, 5*time.Second, 10*time.Millisecond, func() error {
		if d := two.Take(p, "a", now); !d.Allowed {
			return fmt.Errorf("one was given back, and another process refuses: %+v", d)
		}
		return nil
	})
	if d := one.Take(p, "b", now); !d.Allowed || d.Remaining != 1 {
		t.Errorf("the first of somebody else: %+v", d)
	}
	one.GiveBack(p, "b", now)
	one.GiveBack(p, "b", now) // nothing is left to be given back
	if d := one.Take(p, "b", now); d.Remaining != 1 {
		t.Errorf("given back twice: %+v", d)
	}
}

// The stretch may be over when it turns out not to count.
func TestWhatIsGivenBackLaterIsFreeAgain(t *testing.T) {
	t.Parallel()
	l, p := alone(t), policy(1)
	taken, next := start.Add(59*time.Second), start.Add(60*time.Second)
	l.Take(p, "a", taken)
	if d := l.Take(p, "a", next); d.Allowed {
		t.Fatal("a window does not slide")
	}
	l.GiveBack(p, "a", taken)
	if d := l.Take(p, "a", next); !d.Allowed {
		t.Errorf("given back, and still refused: %+v", d)
	}
}

// Nothing listens at the address: limits are kept by the process alone, at once.
func TestLimitsWithoutRedis(t *testing.T) {
	t.Parallel()
	l := shared(t, "redis://127.0.0.1:1/0", "away")
	p, now := policy(5), time.Now().Truncate(time.Minute)
	slow := 0 // a few may meet a busy machine; who waited for Redis would do so each time
	for i := range 20 {
		began := time.Now()
		d := l.Take(p, "a", now)
		if d.Allowed != (i < 5) {
			t.Fatalf("request %d: %+v", i, d)
		}
		if time.Since(began) > 100*time.Millisecond {
			slow++
		}
	}
	if slow > 5 {
		t.Errorf("%d of 20 decisions took long: they waited for Redis", slow)
	}
}

// Guests who come once are no business of Redis, and a flood of them makes no
// other policy forget.
func TestFewAreKeptToOneself(t *testing.T) {
	t.Parallel()
	ns := testkit.Namespace(t)
	l := shared(t, testkit.Engines(t).Redis, ns)
	now := time.Now()
	guests := limit.Policy{Name: "guests", Rate: limit.Rate{N: 20, Per: 24 * time.Hour}}
	logins := limit.Policy{Name: "logins", Rate: limit.Rate{N: 3, Per: 24 * time.Hour}}
	for range 3 {
		l.Take(logins, "ada", now)
	}
	for i := range 250_000 {
		l.Take(guests, strconv.Itoa(i), now)
	}
	if d := l.Take(logins, "ada", now); d.Allowed {
		t.Error("a flood of guests made failed logins forgotten")
	}
	opts, err := redis.ParseURL(testkit.Engines(t).Redis)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	testkit.Eventually(t, 5*time.Second, 10*time.Millisecond, func() error {
		keys, err := client.Keys(t.Context(), ns+":limit:*").Result()
		if err != nil || len(keys) != 1 {
			return fmt.Errorf("%d keys in Redis, want that of the logins: %w", len(keys), err)
		}
		return nil
	})
}

func shared(t *testing.T, url, namespace string) *limit.Limiter {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), redisconn.Config{URL: url, Namespace: namespace, Timeout: 5 * time.Second}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := limit.New(conn, []byte("secret"), prometheus.NewRegistry(), testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	})
	return l
}

func TestRateIsReadAsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]limit.Rate{
		"1000/1m": {N: 1000, Per: time.Minute}, "off": {}, "": {}, "5/1h": {N: 5, Per: time.Hour},
	} {
		var r limit.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
	for _, text := range []string{"1000", "0/1m", "-1/1m", "5/1ms", "5/x", "x/1m", "5/48h"} {
		if err := new(limit.Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
