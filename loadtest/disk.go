package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// slower is what a commit's fsync takes beyond this machine's own: a disk on the network takes one to several
// milliseconds, and the goal of the hot scenario was set where the textbook came to 530/s.
var slower = []time.Duration{0, time.Millisecond, 2 * time.Millisecond}

// disks loads one hot event as if the disk were slower. A handler with a transaction per request holds the event's lock
// until its own commit is durable, so the disk sets its rate; a group shares the wait.
func disks(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	conns := o.middle()
	for _, d := range slower {
		if err := a.slow(ctx, d); err != nil {
			return nil, err
		}
		if err := a.sweep(ctx, o); err != nil {
			return nil, err
		}
		fsync, err := a.flush(ctx)
		if err != nil {
			return nil, err
		}
		t, err := a.compare(ctx, o, conns)
		if err != nil {
			return nil, err
		}
		at := fmt.Sprintf(", fsync + %v, %d connections", d, conns)
		fsync.Name += fmt.Sprintf(", + %v", d)
		rows = append(rows, fsync, t.turnout.row("hot event"+at, "RSVPs/s"), t.p99.row("RSVP p99"+at, "ms"),
			t.textbook.row(fmt.Sprintf("textbook, pool of %d%s", a.pool, at), "RSVPs/s"), t.turnout.over(t.textbook).row("hot / textbook"+at, "×"))
		rows = append(rows, t.others(at)...)
	}
	more, err := a.drainAndVerify(ctx, o)
	return append(rows, more...), err
}

// slow makes both databases wait so much longer for each flush of the log, by Postgres' own commit_delay, which is slept
// with the log's lock held, as a slow fsync is. It holds for new sessions, so what runs is started anew.
func (a *arms) slow(ctx context.Context, d time.Duration) (err error) {
	for _, name := range []string{a.database, a.database + "_textbook"} {
		for setting, value := range map[string]int64{"commit_delay": d.Microseconds(), "commit_siblings": 0} {
			_, e := a.db.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s SET %s = %d", pgx.Identifier{name}.Sanitize(), setting, value))
			err = errors.Join(err, e)
		}
	}
	if err = errors.Join(err, a.turnout.stop()); err != nil {
		return err
	}
	if a.textbook != nil {
		if err := a.textbook.stop(); err != nil {
			return err
		}
	}
	a.db.Reset()
	a.world.textbook.Reset()
	a.turnout, err = a.role(ctx, "command")
	return err
}
