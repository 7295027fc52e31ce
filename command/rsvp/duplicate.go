package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Duplicate makes a draft like source: without answers, external id and
// series, at version 1. What in sets (nil: nothing) replaces what source has.
// With a new starts_at all other times move along by the wall clock; without
// it, a source that has begun is moved by whole weeks of its own zone until it
// lies ahead.
func Duplicate(source contract.Event, in *EventInput, birth Birth, limits Limits, by Actor, now time.Time) (*Book, error) {
	now = contract.Time(now)
	loc, err := zone(source.TimeZone)
	if err != nil {
		return nil, err
	}
	e := source
	e.ExternalID, e.SeriesID = "", ""
	start := wallClock(source.StartsAt, loc)
	moved := start
	for !instant(moved, loc).After(now) {
		moved = moved.AddDate(0, 0, 7)
	}
	var fields []fault.Field
	if in != nil {
		if given, err := time.Parse(time.RFC3339, deref(in.StartsAt.Value)); err == nil {
			moved = wallClock(contract.Time(given), loc)
		}
	}
	shift(&e, source, moved.Sub(start), loc)
	if in != nil {
		e.ExternalID = in.ExternalID
		fields = append(in.apply(&e), in.fixed(&e)...)
	}
	if err := check(&e, nil, fields, limits, now); err != nil {
		return nil, err
	}
	return born(e, birth, by, now), nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// shift moves all times of an event by the same step of the wall clock.
func shift(e *contract.Event, from contract.Event, step time.Duration, loc *time.Location) {
	move := func(t time.Time) time.Time { return instant(wallClock(t, loc).Add(step), loc) }
	e.StartsAt, e.EndsAt = move(from.StartsAt), move(from.EndsAt)
	if !e.EndsAt.After(e.StartsAt) { // its hour was skipped by the clocks
		e.EndsAt = e.StartsAt.Add(from.EndsAt.Sub(from.StartsAt))
	}
	e.RSVPClosesAt = move(from.RSVPClosesAt)
	if from.RSVPClosesAt.Equal(from.StartsAt) {
		e.RSVPClosesAt = e.StartsAt
	}
	if e.RSVPClosesAt.After(e.EndsAt) {
		e.RSVPClosesAt = e.EndsAt
	}
	if from.RSVPOpensAt != nil {
		at := move(*from.RSVPOpensAt)
		e.RSVPOpensAt = &at
	}
}
