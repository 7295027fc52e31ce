package notifier

import (
	"fmt"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
)

// BenchmarkTick is what a look for due notices costs when nothing is due and
// so many are planned for later.
func BenchmarkTick(b *testing.B) {
	for _, pending := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("pending=%d", pending), func(b *testing.B) {
			w := newWorld(b)
			n, err := New(b.Context(), w.cfg, Deps{Log: testkit.Logger(b), Pool: w.pool, Keys: w.keys, Ring: w.ring, Clock: w.clock})
			if err != nil {
				b.Fatal(err)
			}
			for done := 0; done < pending; done += 50_000 { // a statement has ten seconds
				if _, err := w.pool.Exec(b.Context(), `
					INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
						epoch, state, reason, cause_type, cause_version, detail, planned_at)
					SELECT gen_random_uuid(), $1, $1, gen_random_uuid(), 'reminder', 'mail', 'x', i % 4, at, at, 0, 'planned', 'r', 'c', 1, '{}', $2
					FROM (SELECT i, $2::timestamptz + (1 + i % 80000) * interval '1 minute' AS at FROM generate_series(1, $3::int) i) s`,
					w.event.ID, w.clock.Now(), min(50_000, pending-done)); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := w.pool.Exec(b.Context(), `ANALYZE notifier.notification`); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if claimed, err := n.store.Claim(b.Context(), notice.ChannelMail, "bench", w.clock.Now(), time.Minute, 500); err != nil || len(claimed) != 0 {
					b.Fatalf("%d %v", len(claimed), err)
				}
			}
		})
	}
}
