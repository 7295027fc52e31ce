package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
)

// Event is an event as the read side has it.
type Event struct {
	contract.Event
	Raw      json.RawMessage // contract.Event as it came
	Seats    contract.Counters
	Version  int64
	Degraded string // "" or one of the constants
}

// EventByID reads in real time: what the projector has written is there.
func (s *Stores) EventByID(ctx context.Context, eventID string) (Event, error) {
	doc, err := run(s.search, func() (elastic.Doc, error) { return s.Elastic.Get(ctx, document.Listings, eventID) })
	switch {
	case err == nil:
		return eventOf(doc.Source)
	case errors.Is(err, elastic.ErrNotFound):
		return Event{}, fault.ErrNotFound
	case Away(err):
		return s.eventFromRedis(ctx, eventID, err)
	default:
		return Event{}, err
	}
}

// EventByRef takes an id or a slug.
func (s *Stores) EventByRef(ctx context.Context, ref string) (Event, error) {
	if id.Valid(ref) {
		return s.EventByID(ctx, ref)
	}
	eventID, err := s.idOfSlug(ctx, ref)
	if err != nil {
		return Event{}, err
	}
	return s.EventByID(ctx, eventID)
}

// idOfSlug asks Redis, which has a slug before any search shows it.
func (s *Stores) idOfSlug(ctx context.Context, slug string) (string, error) {
	eventID, err := askRedis(ctx, s, func(ctx context.Context) (string, error) {
		return s.Redis.Get(ctx, s.Redis.Key(document.KeySlug, slug)).Result()
	})
	if err == nil {
		return eventID, nil
	}
	found, err := run(s.search, func() (elastic.SearchResult, error) {
		return s.Elastic.Search(ctx, document.Listings, map[string]any{
			"size": 1, "_source": []string{"event_id"}, "query": term("slug", slug),
		})
	})
	if err != nil {
		return "", ErrSearchAway.Because(err)
	}
	if len(found.Hits) == 0 {
		return "", fault.ErrNotFound
	}
	return found.Hits[0].ID, nil
}

func eventOf(source json.RawMessage) (Event, error) {
	var doc document.Listing
	if err := json.Unmarshal(source, &doc); err != nil {
		return Event{}, fmt.Errorf("listing document: %w", err)
	}
	e := Event{Raw: doc.Event, Seats: doc.Seats, Version: doc.Version}
	if doc.Event == nil {
		return e, fault.ErrNotFound // only its seats have come so far
	}
	if err := json.Unmarshal(doc.Event, &e.Event); err != nil {
		return e, fmt.Errorf("event of a listing document: %w", err)
	}
	return e, nil
}

// eventFromRedis is the answer while Elasticsearch is away. That an event is not
// in Redis tells that there is none only when Redis is filled.
func (s *Stores) eventFromRedis(ctx context.Context, eventID string, cause error) (Event, error) {
	type copied struct {
		event, seats string
		filled       bool
	}
	got, err := askRedis(ctx, s, func(ctx context.Context) (copied, error) {
		pipe := s.Redis.Pipeline()
		event := pipe.HGet(ctx, s.Redis.Key(document.KeyEvent, eventID), document.FieldBody)
		seats := pipe.HGet(ctx, s.Redis.Key(document.KeyAvailability, eventID), document.FieldBody)
		filled := pipe.Exists(ctx, s.Redis.Key(document.KeySentinel))
		_, err := pipe.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			err = nil // one of the two is not there; a value is empty then
		}
		return copied{event.Val(), seats.Val(), filled.Val() == 1}, err
	})
	switch {
	case err != nil || !got.filled:
		return Event{}, ErrSearchAway.Because(errors.Join(cause, err))
	case got.event == "" || got.seats == "":
		return Event{}, fault.ErrNotFound
	}
	seats, err := document.DecodeAvailability([]byte(got.seats))
	if err != nil {
		return Event{}, err
	}
	e := Event{Raw: json.RawMessage(got.event), Version: seats.Version, Degraded: DegradedSearch, Seats: contract.Counters{
		Capacity: seats.Capacity, Going: seats.Going, Maybe: seats.Maybe, Waitlisted: seats.Waitlisted,
		Held: seats.Held, CheckedIn: seats.CheckedIn,
	}}
	if err := json.Unmarshal(e.Raw, &e.Event); err != nil {
		return e, fmt.Errorf("event in redis: %w", err)
	}
	return e, nil
}

// EventAtLeast is EventByRef, which waits until the event has come to a
// version, when one is asked for.
func (s *Stores) EventAtLeast(ctx context.Context, ref string, least Least) (Event, error) {
	var e Event
	done, err := poll(ctx, func() (bool, error) {
		var err error
		e, err = s.EventByRef(ctx, ref)
		if errors.Is(err, fault.ErrNotFound) && least.Version > 0 && (least.For(ref) || !id.Valid(ref)) {
			return false, nil // a slug says nothing: it may be the one that is asked for
		}
		return err != nil || !least.For(e.ID) || e.Version >= least.Version, err
	})
	switch {
	case err != nil:
		return e, err
	case !done && e.ID == "" && !least.For(ref):
		return e, fault.ErrNotFound
	case !done:
		return e, ErrNotYetVisible.Detailf("The event is at version %d here.", e.Version)
	}
	return e, nil
}

// Least is what Turnout-Min-Version asks for; the zero value asks for nothing.
type Least struct {
	Subject string // event or organization
	Version int64
}

// For tells whether it is about this subject.
func (l Least) For(subject string) bool { return l.Version > 0 && l.Subject == subject }

// Visible makes a search on an index see what is asked for: it waits for the
// listing to have it, then for a refresh that others share.
func (s *Stores) Visible(ctx context.Context, index string, least Least) error {
	began := time.Now()
	return s.visible(ctx, index, least, func() (bool, error) { return s.reached(ctx, index, least, began) })
}

func (s *Stores) visible(ctx context.Context, index string, least Least, reached func() (bool, error)) error {
	if least.Version == 0 {
		return nil
	}
	done, err := poll(ctx, reached)
	if err != nil {
		if Away(err) {
			return ErrSearchAway.Because(err)
		}
		return err
	}
	if !done {
		return ErrNotYetVisible
	}
	if _, err := run(s.search, func() (struct{}, error) { return struct{}{}, s.Elastic.Refresh(ctx, index) }); err != nil {
		return ErrSearchAway.Because(err)
	}
	return nil
}

// markFollows is how long the mark of the guest list is waited for. It comes right after its write, and then everything
// before it is there too; of the documents of one write, any may be there before the others.
const markFollows = 600 * time.Millisecond

// reached compares a store with what is asked for, by who has waited for it since began. The listing and the access
// documents carry the version themselves; the others have marks.
func (s *Stores) reached(ctx context.Context, index string, least Least, began time.Time) (bool, error) {
	if index == document.GuestList || index == document.Facts {
		marked, err := s.marked(ctx, index, least)
		switch {
		case marked:
			return true, nil
		case index == document.GuestList && err == nil && time.Since(began) < markFollows:
			return s.organizationReached(ctx, least) // its versions have no marks
		}
		// A lower mark may be held back by a gap, or not have been written. No mark: nothing of the event is there yet, Redis
		// is away, or was emptied.
		return s.witnessed(ctx, index, least)
	}
	if index == document.Listings {
		doc, err := s.docOf(ctx, index, least.Subject)
		if !errors.Is(err, elastic.ErrNotFound) {
			return err == nil && doc.Version >= least.Version, err
		}
	}
	return s.organizationReached(ctx, least)
}

func (s *Stores) organizationReached(ctx context.Context, least Least) (bool, error) {
	doc, err := s.docOf(ctx, document.Access, least.Subject)
	if errors.Is(err, elastic.ErrNotFound) {
		return false, nil
	}
	return err == nil && doc.Version >= least.Version, err
}

// marked tells whether a store's mark says that it has come that far.
func (s *Stores) marked(ctx context.Context, index string, least Least) (bool, error) {
	mark, err := askRedis(ctx, s, func(ctx context.Context) (int64, error) {
		return s.Redis.HGet(ctx, s.Redis.Key(document.KeyApplied, least.Subject), index).Int64()
	})
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil && mark >= least.Version, err
}

// witnessed asks the index itself, by id, which sees what no search does yet:
// for the fact of that version, or for the RSVP that it was about. A version
// that was about none has nothing in the guest list.
func (s *Stores) witnessed(ctx context.Context, index string, least Least) (bool, error) {
	doc, err := s.docOf(ctx, document.Facts, document.FactID(least.Subject, least.Version))
	if errors.Is(err, elastic.ErrNotFound) {
		return s.organizationReached(ctx, least) // its versions are no facts
	}
	if err != nil || index == document.Facts {
		return err == nil, err
	}
	var f document.Fact
	if err := json.Unmarshal(doc.Source, &f); err != nil || f.RSVPID == "" {
		return err == nil, err
	}
	if doc, err = s.docOf(ctx, document.GuestList, f.RSVPID); errors.Is(err, elastic.ErrNotFound) {
		return false, nil
	}
	return err == nil && doc.Version >= least.Version, err
}

func (s *Stores) docOf(ctx context.Context, index, id string) (elastic.Doc, error) {
	return run(s.search, func() (elastic.Doc, error) { return s.Elastic.Get(ctx, index, id) })
}
