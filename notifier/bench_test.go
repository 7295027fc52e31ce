package notifier

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	gomail "github.com/wneessen/go-mail"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// BenchmarkReminders sends reminders that are all due at once and compares
// with a bare go-mail loop: the same mail, the same server, as many
// connections, in the same run. TURNOUT_BENCH_GUESTS sets how many (5000).
func BenchmarkReminders(b *testing.B) {
	guests := 5000
	if n, err := strconv.Atoi(os.Getenv("TURNOUT_BENCH_GUESTS")); err == nil {
		guests = n
	}
	for b.Loop() {
		w := newWorld(b)
		w.cfg.Workers = 8
		n, err := New(b.Context(), w.cfg, Deps{Log: testkit.Logger(b), Pool: w.pool, Keys: w.keys, Ring: w.ring, Clock: w.clock})
		if err != nil {
			b.Fatal(err)
		}
		w.n = n
		w.event.Reminders = []contract.Duration{contract.Duration(24 * time.Hour)}
		w.publish()
		for i := range guests {
			w.hear(w.guest(fmt.Sprintf("g%d", i), contract.RSVPConfirmedV1, contract.StatusConfirmed, nil))
		}
		if _, err := w.pool.Exec(b.Context(), `UPDATE notifier.notification SET state = 'void' WHERE kind <> 'reminder'`); err != nil {
			b.Fatal(err)
		}
		if _, err := w.pool.Exec(b.Context(), `VACUUM ANALYZE notifier.notification`); err != nil {
			b.Fatal(err)
		}
		bare := w.bareLoop(b, guests)
		w.ledger.reset()
		// The clock of the test now runs: due is due.
		w.clock = clockwork.NewFakeClockAt(w.event.StartsAt.Add(-24 * time.Hour))
		began := time.Now()
		w.start()
		w.n.wake()
		for w.ledger.count() < guests {
			if time.Since(began) > 5*time.Minute {
				b.Fatalf("%d of %d", w.ledger.count(), guests)
			}
			time.Sleep(5 * time.Millisecond)
		}
		rate := float64(guests) / time.Since(began).Seconds()
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(rate, "mails/s")
		b.ReportMetric(rate/bare, "of-bare")
		w.stop()
	}
}

// bareLoop sends mails of a reminder's size over as many connections with
// nothing but go-mail, and returns mails per second.
func (w *world) bareLoop(b *testing.B, count int) float64 {
	host, portText, err := net.SplitHostPort(w.ledger.addr)
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		b.Fatal(err)
	}
	reminder := bytes.Repeat([]byte("as long as a reminder is\r\n"), 16<<10/26)
	began := time.Now()
	var sent atomic.Int64
	var all sync.WaitGroup
	for range w.cfg.Workers {
		all.Go(func() {
			client, err := gomail.NewClient(host, gomail.WithPort(port), gomail.WithTLSPolicy(gomail.NoTLS))
			if err != nil {
				b.Error(err)
				return
			}
			if err := client.DialWithContext(b.Context()); err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = client.Close() }()
			for sent.Add(1) <= int64(count) {
				m := gomail.NewMsg()
				if err := errors.Join(m.From("mail@turnout.example"), m.To("g0@example.org")); err != nil {
					b.Error(err)
					return
				}
				m.Subject("Spring concert starts in 24 hours")
				m.SetBodyString(gomail.TypeTextPlain, string(reminder))
				if err := client.Send(m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(count) / time.Since(began).Seconds()
}
