package projector

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/redisconn"
)

// fillLock outlives a process that died by this much; then another may fill.
const fillLock = 30 * time.Second

// ErrFilling is that the store is being rebuilt already: two at once would
// delete each other's work.
var ErrFilling = fmt.Errorf("another rebuild of it is under way (or died within the last %s)", fillLock)

// keepLock takes a lock, or holds on to it, for ARGV[2] milliseconds.
var keepLock = redisconn.NewScript("keep-lock", `
local now = redis.call('GET', KEYS[1])
if now and now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

var dropLock = redisconn.NewScript("drop-lock", `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

// recorded runs f alone and keeps what it did for operators to see.
func (r *Rebuilder) recorded(ctx context.Context, store string, f func(context.Context, string, *journal) (Report, error)) (report Report, err error) {
	err = r.alone(ctx, store, func(ctx context.Context) error {
		j := r.journal(store)
		report, err = f(ctx, store, j)
		j.end(ctx, report, err)
		return err
	})
	return report, err
}

// alone runs f while nobody else fills the store. f's context ends if the lock
// is lost to another.
func (r *Rebuilder) alone(ctx context.Context, store string, f func(context.Context) error) error {
	redis := r.Deps.Redis
	keys, own := []string{redis.Key(document.KeyFilling, store)}, rand.Text()
	keep := func(ctx context.Context) error {
		got, err := redis.RunScript(ctx, keepLock, keys, own, fillLock.Milliseconds())
		if err == nil && got != int64(1) {
			err = ErrFilling
		}
		return err
	}
	if err := keep(ctx); err != nil {
		return err
	}
	filling, stop := context.WithCancelCause(ctx)
	held := make(chan struct{})
	go func() {
		defer close(held)
		for pause(filling, fillLock/3) == nil {
			err := keep(filling)
			if errors.Is(err, ErrFilling) {
				stop(err)
			} else if err != nil && filling.Err() == nil { // while Redis is away nobody else gets it either
				r.Deps.Log.WarnContext(ctx, "lock not held on to", "key", keys[0], "error", err)
			}
		}
	}()
	defer func() {
		stop(nil)
		<-held
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if _, err := redis.RunScript(closing, dropLock, keys, own); err != nil {
			r.Deps.Log.WarnContext(ctx, "lock left to expire", "key", keys[0], "error", err)
		}
	}()
	err := f(filling)
	if err != nil && overtaken(filling) {
		return ErrFilling
	}
	return err
}

// overtaken tells that the lock was lost: what stands beside the live store by
// now is another's, and not to be cleared away.
func overtaken(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrFilling) }

// pause waits; the error is ctx's.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
