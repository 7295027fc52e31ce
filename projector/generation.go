package projector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/projector/access"
	"github.com/turnout-events/turnout/projector/availability"
	"github.com/turnout-events/turnout/projector/feed"
)

// families are the keys that a generation consists of. Seats come last: who
// hears of them may ask for the event.
var families = []string{document.KeyRoles, document.KeySlug, document.KeyEvent, document.KeyAvailability}

// generation is the keys in Redis made anew from the log, beside the live ones.
// Readers and projectors know nothing of it: each key is swapped by itself, in
// one step.
type generation struct {
	deps Deps
	keep time.Duration // for the replaced ones; 0: not at all
}

// keys are the ids of each family, and for a live one its version (or a slug's event).
type keys map[string]map[string]string

// add takes another's ids, without what is known of them.
func (k keys) add(other keys) {
	for family, ids := range other {
		for id := range ids {
			if _, there := k[family][id]; !there {
				k[family][id] = ""
			}
		}
	}
}

// all finds the keys behind a prefix ("" is the live ones).
func (g generation) all(ctx context.Context, prefix ...string) (keys, error) {
	found := keys{}
	for _, family := range families {
		ids := map[string]string{}
		found[family] = ids
		start := g.key(prefix, family, "")
		scan := g.deps.Redis.Scan(ctx, 0, start+"*", 1000).Iterator()
		for scan.Next(ctx) {
			ids[strings.TrimPrefix(scan.Val(), start)] = ""
		}
		if err := scan.Err(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (g generation) key(prefix []string, family, id string) string {
	return g.deps.Redis.Key(append(append([]string{}, prefix...), family, id)...)
}

// look reads the live versions of keys.
func (g generation) look(ctx context.Context, of keys) error {
	for _, family := range families {
		err := g.pages(of[family], func(ids []string) error {
			pipe := g.deps.Redis.Pipeline()
			values := make([]*redis.StringCmd, len(ids))
			for i, id := range ids {
				if key := g.key(nil, family, id); family == document.KeySlug {
					values[i] = pipe.Get(ctx, key)
				} else {
					values[i] = pipe.HGet(ctx, key, document.FieldVersion)
				}
			}
			if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			for i, id := range ids {
				of[family][id] = values[i].Val()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (g generation) pages(ids map[string]string, f func([]string) error) error {
	page := make([]string, 0, comparePage)
	for id := range ids {
		if page = append(page, id); len(page) == comparePage {
			if err := f(page); err != nil {
				return err
			}
			page = page[:0]
		}
	}
	if len(page) == 0 {
		return nil
	}
	return f(page)
}

// swap swaps the keys and counts how they compared.
func (g generation) swap(ctx context.Context, of keys, c *Comparison) error {
	return g.run(ctx, swapKey, of, c, func(family, id string) redisconn.Call {
		return redisconn.Call{
			Keys: []string{g.key(nil, family, id), g.key(besideLive, family, id), g.key(before, family, id)},
			Args: []any{of[family][id], int(g.keep.Seconds()), g.channel(family)},
		}
	})
}

// restore puts back what is kept of the generation before.
func (g generation) restore(ctx context.Context, of keys, c *Comparison) error {
	return g.run(ctx, restoreKey, of, c, func(family, id string) redisconn.Call {
		return redisconn.Call{Keys: []string{g.key(nil, family, id), g.key(before, family, id)}, Args: []any{g.channel(family)}}
	})
}

func (g generation) channel(family string) string {
	if family != document.KeyAvailability {
		return ""
	}
	return g.deps.Redis.Channel(document.ChannelAvailability)
}

func (g generation) run(ctx context.Context, script *redisconn.Script, of keys, c *Comparison, call func(family, id string) redisconn.Call) error {
	for _, family := range families {
		err := g.pages(of[family], func(ids []string) error {
			calls := make([]redisconn.Call, len(ids))
			for i, id := range ids {
				calls[i] = call(family, id)
			}
			results, err := g.deps.Redis.Pipelined(ctx, script, calls)
			if err != nil {
				return err
			}
			for i, id := range ids {
				c.key(family+":"+id, fmt.Sprint(results[i]))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// key counts a key as a script found it.
func (c *Comparison) key(name, found string) {
	switch found {
	case "same":
		c.Same++
		return
	case "newer":
		c.Newer++
		return
	case "older":
		c.Older++
	case "missing":
		c.Missing++
	case "differ":
		c.Differ++
	case "restored":
		c.Differ++
	default: // gone
		return
	}
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, name+": "+found)
	}
}

// drop deletes what is behind a prefix.
func (g generation) drop(ctx context.Context, prefix []string) error {
	there, err := g.all(ctx, prefix...)
	if err != nil {
		return err
	}
	for _, family := range families {
		err := g.pages(there[family], func(ids []string) error {
			names := make([]string, len(ids))
			for i, id := range ids {
				names[i] = g.key(prefix, family, id)
			}
			return g.deps.Redis.Unlink(ctx, names...).Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	besideLive = []string{document.KeyNext}
	before     = []string{document.KeyPrevious}
)

// source is a topic and who writes its messages, into the live keys and beside them.
type source struct {
	follower     *follower
	live, beside kafkabus.Handler
}

func (g generation) seats(f *follower) source {
	return source{f, availability.New(g.deps.Redis, nothing).Handle, availability.Beside(g.deps.Redis, document.KeyNext).Handle}
}

func (g generation) roles(f *follower) source {
	return source{f, access.New(g.deps.Redis, nil, feed.Nowhere).Handle, access.Beside(g.deps.Redis, document.KeyNext).Handle}
}

// fill makes the keys anew beside the live ones. The two readings have the
// look at the live keys between them: a live state that the second has not
// reached is of no message.
func (g generation) fill(ctx context.Context, logs []source, look func() (keys, error)) (keys, error) {
	if err := beside(ctx, logs); err != nil {
		return nil, err
	}
	live, err := look()
	if err != nil {
		return nil, err
	}
	return live, beside(ctx, logs)
}

func beside(ctx context.Context, logs []source) error {
	for _, l := range logs {
		if err := l.follower.read(ctx, l.beside); err != nil {
			return err
		}
	}
	return nil
}

// settle reads on into the live keys: while one held a version that was too
// high, the projector's own messages were refused.
func settle(ctx context.Context, logs []source) error {
	for _, l := range logs {
		if err := l.follower.read(ctx, l.live); err != nil {
			return err
		}
	}
	return nil
}
