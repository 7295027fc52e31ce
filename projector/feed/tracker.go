package feed

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/redisconn"
)

func isNil(err error) bool { return errors.Is(err, redis.Nil) }

// Tracker keeps the marks of one projector: what it has applied, and where a
// version is missing. A store of marks that is away holds no projector up:
// readers then compare with the documents themselves.
type Tracker struct {
	marks *Marks
	gaps  *Gaps
	log   *slog.Logger
}

// NewTracker names the projector.
func NewTracker(redis *redisconn.Conn, projector string, log *slog.Logger) *Tracker {
	return &Tracker{marks: NewMarks(redis, projector), gaps: NewGaps(), log: log}
}

// Open is Gaps.Open.
func (t *Tracker) Open(now time.Time) (int, time.Duration) { return t.gaps.Open(now) }

// Applied records a batch that the store has now.
func (t *Tracker) Applied(ctx context.Context, items []Item) {
	versions := map[string][]int64{}
	var events []string
	for _, it := range items {
		e := it.Envelope.Subject
		if versions[e] == nil {
			events = append(events, e)
		}
		versions[e] = append(versions[e], it.Envelope.Version)
	}
	stored := map[string]int64{}
	if unknown := t.gaps.Unknown(versions); len(unknown) > 0 {
		var err error
		if stored, err = t.marks.Of(ctx, unknown); err != nil {
			t.log.WarnContext(ctx, "marks not read; gaps start from here", "error", err)
			stored = map[string]int64{}
		}
	}
	now := time.Now()
	upTo := make(map[string]int64, len(events))
	for _, e := range events {
		upTo[e] = t.gaps.Seen(e, stored[e], versions[e], now)
	}
	if err := t.marks.Raise(ctx, upTo); err != nil && ctx.Err() == nil {
		t.log.WarnContext(ctx, "marks not written", "error", err)
	}
}
