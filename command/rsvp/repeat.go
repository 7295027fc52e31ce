package rsvp

import (
	"errors"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// MaxOccurrences bounds a series, its first event included.
const MaxOccurrences = 200

// Repeat makes the occurrences of source that an RFC 5545 recurrence rule
// (DAILY, WEEKLY, MONTHLY or YEARLY, with COUNT or UNTIL) gives after its own
// start, COUNT including it, at the same wall-clock time; those that lie in the
// past are left out. A published source gives published events, at version 2.
// births has one for each, or more; MaxOccurrences are enough. They are in the
// series of the source: SetSeries comes first.
func Repeat(source contract.Event, rule string, births []Birth, limits Limits, by Actor, now time.Time) ([]*Book, error) {
	now = contract.Time(now)
	if source.Status == contract.EventCancelled {
		return nil, ErrEventCancelled
	}
	loc, err := zone(source.TimeZone)
	if err != nil {
		return nil, err
	}
	start := wallClock(source.StartsAt, loc)
	walls, err := occurrences(rule, start, loc, now)
	if err != nil {
		return nil, err
	}
	var books []*Book
	for _, wall := range walls {
		e := source
		e.ExternalID = ""
		shift(&e, source, wall.Sub(start), loc)
		if !e.StartsAt.After(now) {
			continue
		}
		if len(books) == len(births) {
			return nil, errors.New("repeat: too few births")
		}
		if err := check(&e, nil, nil, limits, now); err != nil {
			return nil, err
		}
		b := born(e, births[len(books)], by, now)
		if source.Status == contract.EventPublished {
			if err := b.publish(by, now); err != nil {
				return nil, err
			}
		}
		books = append(books, b)
	}
	if len(books) == 0 {
		return nil, invalid("/rrule", "gives no date ahead")
	}
	return books, nil
}

// Missing leaves out of books the dates that a series has already: starts are
// when its events begin. One that was cancelled stays cancelled.
func Missing(books []*Book, starts []time.Time) []*Book {
	has := make(map[int64]bool, len(starts))
	for _, at := range starts {
		has[at.UnixMicro()] = true
	}
	var missing []*Book
	for _, b := range books {
		if !has[b.Event.StartsAt.UnixMicro()] {
			missing = append(missing, b)
		}
	}
	return missing
}
