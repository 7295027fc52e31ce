package notifier

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/mail"
	"github.com/turnout-events/turnout/notifier/notice"
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

// bareLoop sends one reminder again and again over as many connections and
// returns mails per second.
func (w *world) bareLoop(b *testing.B, count int) float64 {
	claimed, err := w.n.store.Claim(b.Context(), notice.ChannelMail, "bare", w.event.StartsAt.Add(-24*time.Hour), time.Minute, 1)
	if err != nil || len(claimed) != 1 {
		b.Fatalf("%d %v", len(claimed), err)
	}
	loaded, err := w.n.store.Load(b.Context(), claimed, w.clock.Now())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.pool.Exec(b.Context(), `UPDATE notifier.notification SET state = 'planned' WHERE state = 'claimed'`); err != nil {
		b.Fatal(err)
	}
	writer := w.n.mail.channel.(*mail.Channel).Writer
	began := time.Now()
	var sent atomic.Int64
	var all sync.WaitGroup
	for range w.cfg.Workers {
		all.Go(func() {
			m, err := writer.Message(loaded[0], contract.Personal{Name: "g0", Email: "g0@example.org"}, w.clock.Now())
			if err != nil {
				b.Error(err)
				return
			}
			server, err := mail.NewServer(mail.ServerConfig{Addr: w.ledger.addr})
			if err != nil {
				b.Error(err)
				return
			}
			defer server.Close()
			for sent.Add(1) <= int64(count) {
				if err := server.Send(b.Context(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(count) / time.Since(began).Seconds()
}
