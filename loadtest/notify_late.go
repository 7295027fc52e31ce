package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lateness has reminders come due at half the rate that the notifier managed right before, and says how late they are.
func lateness(ctx context.Context, o options) (rows []row, err error) {
	const probe = 10_000
	p, err := newPostOffice(ctx, o, manyReminders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	h := latency()
	var capacity, asked series
	for range o.rounds {
		most, _, err := p.burst(ctx, probe)
		if err != nil {
			return nil, err
		}
		rate := most / 2
		n := min(int(rate*o.duration.Seconds()), len(p.guests))
		first := time.Now().Add(time.Duration(n)*300*time.Microsecond + 5*time.Second).UTC().Truncate(time.Microsecond)
		due, err := p.owe(ctx, n, func(i int) time.Time {
			return first.Add(time.Duration(float64(i) / rate * float64(time.Second))).Truncate(time.Microsecond)
		})
		if err != nil {
			return nil, err
		}
		if time.Now().After(first) {
			return nil, errors.New("planning the reminders took longer than until they were due")
		}
		if err := p.sink.await(ctx, n, mailSilence); err != nil {
			return nil, err
		}
		if err := p.recorded(ctx); err != nil {
			return nil, err
		}
		capacity, asked = append(capacity, most), append(asked, rate)
		p.sink.mu.Lock()
		for id, at := range p.sink.got {
			record(h, at.Sub(due[id]))
		}
		p.sink.mu.Unlock()
	}
	rows = []row{capacity.row(fmt.Sprintf("capacity: %d due at one moment", probe), "mails/s"), asked.row("due", "mails/s")}
	late := quantiles("late", h, 50, 99, 99.9)
	late[1] = late[1].atMost(lateAtMost)
	return append(rows, late...), nil
}
