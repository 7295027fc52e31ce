package feed

import (
	"context"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/redisconn"
)

// raise sets a hash field to a number unless it is there and greater.
var raise = redisconn.NewScript("raise-mark", `
local now = redis.call('HGET', KEYS[1], ARGV[1])
if not now or tonumber(ARGV[2]) > tonumber(now) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1`)

// Marks records, per event, the version up to which a projector has applied
// everything.
type Marks struct {
	redis     *redisconn.Conn
	projector string
}

// NewMarks names the projector whose marks these are (document.GuestList …).
func NewMarks(redis *redisconn.Conn, projector string) *Marks {
	return &Marks{redis: redis, projector: projector}
}

// Raise sets the marks of events that are lower.
func (m *Marks) Raise(ctx context.Context, versions map[string]int64) error {
	if len(versions) == 0 {
		return nil
	}
	calls := make([]redisconn.Call, 0, len(versions))
	for event, v := range versions {
		calls = append(calls, redisconn.Call{
			Keys: []string{m.redis.Key(document.KeyApplied, event)}, Args: []any{m.projector, v},
		})
	}
	_, err := m.redis.Pipelined(ctx, raise, calls)
	return err
}

// RaiseFeed sets how far the partitions' facts may be read, where that is lower.
func (m *Marks) RaiseFeed(ctx context.Context, upTo map[int32]int64) error {
	calls := make([]redisconn.Call, 0, len(upTo))
	for partition, offset := range upTo {
		calls = append(calls, redisconn.Call{Keys: []string{m.redis.Key(document.KeyFeed)}, Args: []any{partition, offset}})
	}
	_, err := m.redis.Pipelined(ctx, raise, calls)
	return err
}

// Of reads the marks of events; 0 for those that have none.
func (m *Marks) Of(ctx context.Context, events []string) (map[string]int64, error) {
	pipe := m.redis.Pipeline()
	for _, e := range events {
		pipe.HGet(ctx, m.redis.Key(document.KeyApplied, e), m.projector)
	}
	cmds, execErr := pipe.Exec(ctx)
	out := make(map[string]int64, len(events))
	for i, cmd := range cmds {
		s, ok := cmd.(interface{ Int64() (int64, error) })
		if !ok {
			continue
		}
		switch v, err := s.Int64(); {
		case err == nil:
			out[events[i]] = v
		case isNil(err):
		default:
			return nil, err
		}
	}
	if execErr != nil && !isNil(execErr) {
		return nil, execErr
	}
	return out, nil
}
