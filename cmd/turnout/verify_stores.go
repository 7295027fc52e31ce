package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/redisconn"
)

// unreached are the stores that could not be compared, with the reason. The others were.
type unreached map[string]error

func (u unreached) Error() string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(u)) {
		lines = append(lines, fmt.Sprintf("%s could not be compared: %v", name, u[name]))
	}
	return strings.Join(lines, "\n")
}

// compareStores holds each store against what the audit read. A store may be ahead of it, for the system may be at
// work; one that is behind gets time to catch up. One that does not answer keeps none of the others from being compared;
// the error is unreached then.
func compareStores(ctx context.Context, s settings, logs audited, which []string, wait time.Duration, report *audit.Report,
	log *slog.Logger,
) error {
	away := unreached{}
	v := &comparison{ctx: ctx, settings: s, audited: logs, report: report, log: log, until: time.Now().Add(wait)}
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{checkKafka, v.kafka}, {checkAvailability, v.availability}, {checkListing, v.listing}, {checkGuestList, v.guestList},
	} {
		if !slices.Contains(which, c.name) {
			continue
		}
		if err := c.run(); err != nil {
			if ctx.Err() != nil {
				return err
			}
			away[c.name] = err
		}
	}
	if len(away) > 0 {
		return away
	}
	return nil
}

type comparison struct {
	ctx      context.Context //nolint:containedctx // lives for one call of compareStores
	settings settings
	audited
	report *audit.Report
	log    *slog.Logger
	until  time.Time
}

// finding is one that may go away while the store catches up, or not.
type finding struct {
	subject string
	version int64
	detail  string
}

// settle looks until nothing is behind or the time is over, and then reports what is left. look gives what is wrong
// with these events or organizations: with all of them first, then with those that something was wrong with.
func (v *comparison) settle(check string, subjects []string, look func(subjects []string) ([]finding, error)) error {
	for {
		found, err := look(subjects)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return nil
		}
		if time.Now().After(v.until) {
			for _, f := range found {
				v.report.Add(check, f.subject, f.version, "%s", f.detail)
			}
			return nil
		}
		subjects = subjects[:0]
		for _, f := range found {
			if !slices.Contains(subjects, f.subject) {
				subjects = append(subjects, f.subject)
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-v.ctx.Done():
			return v.ctx.Err()
		}
	}
}

// availability compares the counters in Redis.
func (v *comparison) availability() error {
	cfg := v.settings.Redis
	cfg.Timeout = 5 * time.Second
	conn, err := redisconn.Open(v.ctx, cfg, v.log)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return v.settle(checkAvailability, slices.Sorted(maps.Keys(v.events)), func(events []string) ([]finding, error) {
		var found []finding
		for some := range slices.Chunk(events, 500) {
			answers := make([]*redis.SliceCmd, len(some))
			_, err := conn.Client.Pipelined(v.ctx, func(p redis.Pipeliner) error {
				for i, id := range some {
					answers[i] = p.HMGet(v.ctx, conn.Key(document.KeyAvailability, id), document.FieldVersion, document.FieldBody)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			for i, id := range some {
				if detail := v.seats(v.events[id], answers[i].Val()); detail != "" {
					found = append(found, finding{id, v.events[id].Version, detail})
				}
			}
		}
		return found, nil
	})
}

func (v *comparison) seats(e audit.Event, fields []any) string {
	body, ok := fields[1].(string)
	if !ok {
		return "is not there"
	}
	a, err := document.DecodeAvailability([]byte(body))
	if err != nil {
		return err.Error()
	}
	if fields[0] != fmt.Sprint(a.Version) {
		return fmt.Sprintf("has version %v, and %d inside", fields[0], a.Version)
	}
	return differs(a.Version, e.Version, a, document.NewAvailability(e.ID, e.Version, e.Counters))
}

// differs compares what a store has at a version with what it must be; what is newer is not judged.
func differs(version, want int64, has, must any) string {
	switch {
	case version > want:
		return ""
	case version < want:
		return fmt.Sprintf("is at version %d", version)
	}
	a, errA := json.Marshal(has)
	b, errB := json.Marshal(must)
	if err := errors.Join(errA, errB); err != nil {
		return err.Error()
	}
	if !bytes.Equal(a, b) {
		return fmt.Sprintf("has %s, must have %s", a, b)
	}
	return ""
}

func (v *comparison) elastic(check, index string, look func(e audit.Event) []string, judge func(e audit.Event, id string, source []byte) string) error {
	client, err := elastic.Open(v.ctx, v.settings.Elastic, v.log)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(context.WithoutCancel(v.ctx)) }()
	return v.settle(check, slices.Sorted(maps.Keys(v.events)), func(events []string) ([]finding, error) {
		var found []finding
		var ids, owners []string
		flush := func() error {
			docs, err := client.MGet(v.ctx, index, ids)
			if err != nil {
				return err
			}
			for i, d := range docs {
				e := v.events[owners[i]]
				detail := d.ID + " is not there"
				if d.Found {
					detail = judge(e, d.ID, d.Source)
				}
				if detail != "" {
					found = append(found, finding{e.ID, e.Version, detail})
				}
			}
			ids, owners = ids[:0], owners[:0]
			return nil
		}
		for _, event := range events {
			for _, id := range look(v.events[event]) {
				ids, owners = append(ids, id), append(owners, event)
				if len(ids) == 500 {
					if err := flush(); err != nil {
						return nil, err
					}
				}
			}
		}
		return found, flush()
	})
}

// listing compares both halves of each event's document.
func (v *comparison) listing() error {
	look := func(e audit.Event) []string { return []string{e.ID} }
	return v.elastic(checkListing, document.Listings, look, func(e audit.Event, _ string, source []byte) string {
		var l document.Listing
		if err := json.Unmarshal(source, &l); err != nil {
			return err.Error()
		}
		if detail := differs(l.SeatsVersion, e.Version, l.Seats, e.Counters); detail != "" {
			return "seats: " + detail
		}
		var event contract.Event
		if err := json.Unmarshal(l.Event, &event); err != nil {
			return "details: " + err.Error()
		}
		if detail := differs(l.DetailsVersion, e.Details, event, e.Event); detail != "" {
			return "details: " + detail
		}
		return ""
	})
}

// guestList compares every RSVP's document.
func (v *comparison) guestList() error {
	look := func(e audit.Event) []string {
		ids := make([]string, 0, len(e.RSVPs))
		for id := range e.RSVPs {
			ids = append(ids, id)
		}
		return ids
	}
	return v.elastic(checkGuestList, document.GuestList, look, func(e audit.Event, id string, source []byte) string {
		var g document.Guest
		if err := json.Unmarshal(source, &g); err != nil {
			return err.Error()
		}
		r := e.RSVPs[id]
		has := audit.RSVP{Version: g.Version, Status: g.Status, PartySize: g.PartySize, CheckedIn: g.CheckedIn, Erased: g.Erased}
		if detail := differs(g.Version, r.Version, has, r); detail != "" {
			return id + " " + detail
		}
		return ""
	})
}
