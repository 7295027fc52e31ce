package redisconn

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script, sent once and then called by its SHA-1.
type Script struct {
	name   string
	script *redis.Script
}

// NewScript names a script (for errors) and hashes its source.
func NewScript(name, source string) *Script {
	return &Script{name: name, script: redis.NewScript(source)}
}

// Call is one run of a script.
type Call struct {
	Keys []string // full keys, from Key
	Args []any
}

// Load sends scripts to the server, so that the first pipelines need no second try. Redis forgets them at a restart;
// Pipelined notices.
func (c *Conn) Load(ctx context.Context, scripts ...*Script) error {
	for _, s := range scripts {
		if err := s.script.Load(ctx, c.Client).Err(); err != nil {
			return fmt.Errorf("load script %s: %w", s.name, err)
		}
	}
	return nil
}

// Pipelined runs the script once per call, in order, in one round trip, and gives one result per call. Calls are not
// one transaction: each is atomic by itself, and after an error some may have run. A result is what go-redis makes of
// the reply (int64, string, []any, nil).
//
// go-redis's Script.Run cannot do this: inside a pipeline it learns of a forgotten script (NOSCRIPT) only after
// everything was sent. So here the calls that met NOSCRIPT, and those alone, run again after a load. Order between
// calls then differs from the order given: scripts guard by version.
func (c *Conn) Pipelined(ctx context.Context, s *Script, calls []Call) ([]any, error) {
	results := make([]any, len(calls))
	todo := make([]int, len(calls))
	for i := range calls {
		todo[i] = i
	}
	const tries = 3 // the script may be flushed again between the load and the run
	for try := 0; len(todo) > 0; try++ {
		missing, err := c.evalAll(ctx, s, calls, todo, results)
		if err != nil {
			return nil, err
		}
		if todo = missing; len(todo) == 0 {
			break
		}
		if try == tries {
			return nil, fmt.Errorf("script %s: the server keeps forgetting it", s.name)
		}
		if err := c.Load(ctx, s); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// evalAll runs the calls with the given indices, fills their results, and returns the indices that met NOSCRIPT.
func (c *Conn) evalAll(ctx context.Context, s *Script, calls []Call, todo []int, results []any) ([]int, error) {
	pipe := c.Pipeline()
	cmds := make([]*redis.Cmd, len(todo))
	for n, i := range todo {
		cmds[n] = s.script.EvalSha(ctx, pipe, calls[i].Keys, calls[i].Args...)
	}
	// Exec returns the first command's error, which may be a NOSCRIPT: each command is looked at below.
	_, execErr := pipe.Exec(ctx)
	var missing []int
	for n, cmd := range cmds {
		value, err := cmd.Result()
		switch {
		case err == nil:
			results[todo[n]] = value
		case errors.Is(err, redis.Nil):
			results[todo[n]] = nil
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			missing = append(missing, todo[n])
		default:
			return nil, fmt.Errorf("script %s, call %d of %d: %w", s.name, todo[n], len(calls), err)
		}
	}
	if execErr != nil && len(missing) == 0 && !errors.Is(execErr, redis.Nil) {
		return nil, fmt.Errorf("script %s: %w", s.name, execErr)
	}
	return missing, nil
}

// RunScript runs the script once.
func (c *Conn) RunScript(ctx context.Context, s *Script, keys []string, args ...any) (any, error) {
	results, err := c.Pipelined(ctx, s, []Call{{Keys: keys, Args: args}})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}
