package notifier

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/mail"
	"github.com/turnout-events/turnout/notifier/push"
)

// childSettings make this test binary a notifier that can be killed.
const childSettings = "TURNOUT_TEST_NOTIFIER_CHILD"

type child struct {
	Postgres string
	SMTP     string
	Lease    time.Duration
	Workers  int
	Keys     map[string][]byte
	Push     push.Config
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childSettings); text != "" {
		if err := beChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beChild delivers until it is killed.
func beChild(text string) error {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	pool, err := postgres.Open(ctx, postgres.Config{URL: c.Postgres}, log)
	if err != nil {
		return err
	}
	ring, err := testRing()
	if err != nil {
		return err
	}
	n, err := New(ctx, Config{
		PublicURL: "https://turnout.example", Mail: mail.Config{From: "Turnout <mail@turnout.example>", SMTPAddr: c.SMTP}, Workers: c.Workers, MailsPerHour: 1, Tick: 50 * time.Millisecond, Quiet: time.Minute, Lease: c.Lease, Push: c.Push,
	}, Deps{Log: log, Pool: pool, Kafka: kafkabus.Config{}, Keys: &keyStore{keys: c.Keys}, Ring: ring, Clock: clockwork.NewRealClock()})
	if err != nil {
		return err
	}
	scheduler, err := n.schedule(ctx)
	if err != nil {
		return err
	}
	scheduler.Start()
	n.wake()
	if n.push == nil {
		return n.mail.run(ctx)
	}
	return n.push.run(ctx)
}

func testRing() (*seal.Keyring, error) {
	return seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
}

// killer kills the child at the moment it is told to, once.
type killer struct {
	mu      sync.Mutex
	process *os.Process
	armed   bool
	died    chan struct{}
}

func (k *killer) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.armed {
		k.armed = false
		_ = k.process.Kill()
		close(k.died)
	}
}

// crashWorld has confirmations due for so many guests, and a notifier to come.
func crashWorld(t *testing.T, guests int) (*world, child) {
	t.Helper()
	w := newWorld(t)
	w.clock = clockwork.NewFakeClockAt(time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond))
	w.event.StartsAt, w.event.EndsAt = time.Now().Add(24*30*time.Hour), time.Now().Add(24*30*time.Hour+time.Hour)
	n, err := New(t.Context(), w.cfg, Deps{Log: testkit.Logger(t), Pool: w.pool, Keys: w.keys, Ring: w.ring, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.n = n
	w.publish()
	for i := range guests {
		w.hear(w.going(fmt.Sprintf("guest%d", i)))
	}
	return w, child{Postgres: w.pool.Config().ConnString(), SMTP: w.ledger.addr, Lease: 6 * time.Second, Workers: 4, Keys: w.keys.keys}
}

func startChild(t *testing.T, c child) *exec.Cmd {
	t.Helper()
	settings, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childSettings+"="+string(settings))
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// A notifier that is killed with SIGKILL at any step loses nothing; and only
// where SMTP itself cannot tell (after the server's 250, before the record) a
// mail can come twice, with the same Message-ID.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs engines")
	}
	const guests = 12
	for _, c := range []struct {
		step    string
		workers int
		// doubles is how many may come twice: what had a 250 and no record at
		// the kill, which is at most 20 ms or 50 mails.
		doubles int
		arm     func(l *ledger, kill func())
	}{
		{"at MAIL, after the claim", 1, 0, func(l *ledger, kill func()) { l.misbehave(ledgerHooks{onMail: func() error { kill(); return nil }}) }},
		{"after DATA, before the 250", 1, 0, func(l *ledger, kill func()) {
			var once sync.Once
			l.misbehave(ledgerHooks{onData: func(entry) (err error) {
				once.Do(func() { kill(); err = errors.New("the client is dead") })
				return err
			}})
		}},
		{"at the 250, before the record", 1, 1, func(l *ledger, kill func()) { l.misbehave(ledgerHooks{onDone: func(entry) { kill() }}) }},
		{"some time after the 250", 4, guests, func(l *ledger, kill func()) {
			var once sync.Once
			l.misbehave(ledgerHooks{onDone: func(entry) { once.Do(func() { time.AfterFunc(3*time.Millisecond, kill) }) }})
		}},
		{"some time after the record", 4, guests, func(l *ledger, kill func()) {
			var once sync.Once
			l.misbehave(ledgerHooks{onDone: func(entry) { once.Do(func() { time.AfterFunc(60*time.Millisecond, kill) }) }})
		}},
	} {
		t.Run(c.step, func(t *testing.T) {
			t.Parallel()
			w, settings := crashWorld(t, guests)
			settings.Workers = c.workers
			k := &killer{armed: true, died: make(chan struct{})}
			k.mu.Lock()
			c.arm(w.ledger, k.kill)
			first := startChild(t, settings)
			k.process = first.Process
			k.mu.Unlock()
			select {
			case <-k.died:
			case <-time.After(time.Minute):
				t.Fatalf("the notifier never got to the step: %s", first.Stderr)
			}
			_ = first.Wait()
			startChild(t, settings)
			w.eachGotIt(t, guests, c.doubles)
		})
	}
}

// Killed while it waits for what it is about to claim: nothing had happened.
func TestKilledBeforeTheClaim(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs engines")
	}
	const guests = 12
	w, settings := crashWorld(t, guests)
	hold, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Exec(t.Context(), `LOCK TABLE notifier.notification IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	first := startChild(t, settings)
	testkit.Eventually(t, 20*time.Second, 10*time.Millisecond, func() error {
		var waiting int
		err := w.pool.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%claimed%'`).Scan(&waiting)
		if err == nil && waiting == 0 {
			err = errors.New("nobody is about to claim")
		}
		return err
	})
	_ = first.Process.Kill()
	_ = first.Wait()
	if err := hold.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	startChild(t, settings)
	w.eachGotIt(t, guests, 0)
}

// eachGotIt waits until all notices are recorded as sent, and then counts.
func (w *world) eachGotIt(t *testing.T, guests, doubles int) {
	t.Helper()
	testkit.Eventually(t, 90*time.Second, 20*time.Millisecond, func() error {
		var sent int
		err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification WHERE kind = 'confirmation' AND state = 'sent'`).Scan(&sent)
		if err == nil && sent != guests {
			err = fmt.Errorf("%d of %d recorded as sent", sent, guests)
		}
		return err
	})
	times := map[string]int{}
	ids := map[string]string{}
	for _, e := range w.ledger.all() {
		times[e.To]++
		if before, again := ids[e.To]; again && before != e.MessageID {
			t.Errorf("%s came again under another Message-ID", e.To)
		}
		ids[e.To] = e.MessageID
	}
	twice := 0
	for i := range guests {
		switch n := times[fmt.Sprintf("guest%d@example.org", i)]; n {
		case 1:
		case 2:
			twice++
		default:
			t.Errorf("guest%d has %d mails", i, n)
		}
	}
	if twice > doubles {
		t.Errorf("%d mails came twice, at most %d may", twice, doubles)
	}
}

// Two notifiers share what is due.
func TestTwoNotifiersSendNothingTwice(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs engines")
	}
	const guests = 150
	w, settings := crashWorld(t, guests)
	settings.Lease = time.Minute
	startChild(t, settings)
	startChild(t, settings)
	w.eachGotIt(t, guests, 0)
	var holders int
	if err := w.pool.QueryRow(t.Context(), `SELECT count(DISTINCT claimed_by) FROM notifier.notification WHERE state = 'sent'`).Scan(&holders); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d notifiers did the work", holders)
}
