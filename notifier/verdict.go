package notifier

import (
	"errors"
	"hash/fnv"
	"time"

	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

const (
	// maxRefusals: a permanent refusal is believed the third time, because
	// servers give 5xx for greylisting and full disks too. What is in doubt
	// counts as one: each try may have put another copy into the mailbox.
	maxRefusals = 3
	// giveUp is how long a notice is tried against temporary refusals.
	giveUp = 24 * time.Hour
	// minAttempts keeps a notice that waited long for us from dying at once.
	minAttempts = 3
	firstPause  = 10 * time.Second
	longPause   = 30 * time.Minute
)

// verdict says what becomes of a notice after an attempt.
func verdict(n *notice.Notice, err error, now time.Time) pgstore.Result {
	var (
		refusal    *notice.Refusal
		impossible *notice.Impossible
		later      *notice.Later
	)
	switch {
	case err == nil:
		return pgstore.Result{State: notice.Sent, Outcome: "accepted", Tried: true, Finished: now}
	case errors.As(err, &impossible):
		return pgstore.Result{State: notice.Void, Outcome: impossible.Reason, Finished: now}
	case errors.As(err, &later):
		return pgstore.Result{State: notice.Planned, Outcome: "rate-limited", NextAt: now.Add(later.After)}
	case errors.Is(err, notice.ErrUnreachable):
		return pgstore.Result{State: notice.Planned, Outcome: notice.ErrUnreachable.Error()}
	case errors.As(err, &refusal):
		r := pgstore.Result{State: notice.Failed, Outcome: refusal.Words, Tried: true, Refused: refusal.Permanent}
		if refusal.Permanent && n.Refusals+1 >= maxRefusals || tooLong(n, now) {
			r.State, r.Finished = notice.Dead, now
			return r
		}
		r.NextAt = now.Add(backOff(n))
		return r
	case errors.Is(err, notice.ErrInDoubt):
		return doubtful(n, now)
	default: // ours: a template, a key
		r := pgstore.Result{State: notice.Failed, Outcome: "cannot-be-written", Tried: true, Refused: true, NextAt: now.Add(backOff(n))}
		if n.Refusals+1 >= maxRefusals {
			r.State, r.Finished = notice.Dead, now
		}
		return r
	}
}

// doubtful: it may have arrived. One more try comes soon, the last when whatever
// keeps the server from answering has had time to pass.
func doubtful(n *notice.Notice, now time.Time) pgstore.Result {
	r := pgstore.Result{State: notice.Failed, Outcome: notice.ErrInDoubt.Error(), Tried: true, Refused: true, NextAt: now.Add(backOff(n))}
	switch {
	case n.Refusals+1 >= maxRefusals:
		r.State, r.Outcome, r.Finished = notice.Dead, givenUpInDoubt, now
	case n.Refusals > 0:
		r.NextAt = now.Add(longPause)
	}
	return r
}

// givenUpInDoubt is the outcome of a notice that is sent no more although nobody knows whether it arrived.
const givenUpInDoubt = "given up: connection lost before the answer again; it may have arrived"

func tooLong(n *notice.Notice, now time.Time) bool {
	return n.Attempts+1 >= minAttempts && now.Sub(n.DueAt) > giveUp
}

// backOff doubles with each attempt and differs by notice, so that what failed
// together does not come back together.
func backOff(n *notice.Notice) time.Duration {
	pause := min(firstPause<<min(n.Attempts, 10), longPause)
	h := fnv.New32a()
	_, _ = h.Write([]byte(n.ID))
	return pause + pause*time.Duration(h.Sum32()%256)/1024 // up to a quarter more
}
