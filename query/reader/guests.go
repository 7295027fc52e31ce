package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/fault"
)

// Guest reads an RSVP in real time.
func (s *Stores) Guest(ctx context.Context, rsvpID string) (document.Guest, error) {
	doc, err := run(s.search, func() (elastic.Doc, error) { return s.Elastic.Get(ctx, document.GuestList, rsvpID) })
	switch {
	case errors.Is(err, elastic.ErrNotFound):
		return document.Guest{}, fault.ErrNotFound
	case Away(err):
		return document.Guest{}, ErrSearchAway.Because(err)
	case err != nil:
		return document.Guest{}, err
	}
	var g document.Guest
	if err := json.Unmarshal(doc.Source, &g); err != nil {
		return g, fmt.Errorf("guest document %s: %w", rsvpID, err)
	}
	return g, nil
}

// GuestAtLeast waits until an RSVP is there, for at most Patience, and until
// its event has come to the version that is asked for; ErrNotYetVisible when one
// that must exist is not there by then. epoch is the one of the
// guest's token: an older document is not what the guest knows; -1 for none.
func (s *Stores) GuestAtLeast(ctx context.Context, rsvpID string, epoch int, least Least) (document.Guest, error) {
	var g document.Guest
	began := time.Now()
	done, err := poll(ctx, func() (bool, error) {
		var err error
		g, err = s.Guest(ctx, rsvpID)
		switch {
		case !errors.Is(err, fault.ErrNotFound):
		case epoch >= 0:
			return false, nil // a token that verifies names an RSVP that exists
		case least.Version == 0:
			return true, nil
		default: // it exists if the version was about it, or about one that came after it
			reached, err := s.reached(ctx, document.GuestList, least, began)
			if reached && err == nil {
				if g, err = s.Guest(ctx, rsvpID); errors.Is(err, fault.ErrNotFound) {
					err = nil
				}
			}
			return reached, err
		}
		if err != nil || g.Epoch < epoch {
			return err != nil, err
		}
		if !least.For(g.EventID) || g.Version >= least.Version {
			return true, nil
		}
		// The version may be another guest's message.
		reached, err := s.reached(ctx, document.GuestList, least, began)
		if reached && err == nil {
			g, err = s.Guest(ctx, rsvpID)
		}
		return reached, err
	})
	switch {
	case err != nil:
		return g, err
	case done && g.RSVPID == "":
		return g, fault.ErrNotFound
	case !done:
		return g, ErrNotYetVisible.Detailf("The RSVP is at version %d here.", g.Version)
	}
	return g, nil
}

// Ahead counts the parties that wait before a place in the queue.
func (s *Stores) Ahead(ctx context.Context, eventID string, queuedVersion int64) (int64, error) {
	return s.queued(ctx, eventID, "lt", queuedVersion, contract.StatusWaitlisted)
}

// PassedOver counts the parties that joined the queue behind a place in it and
// got a seat or an offer all the same. The queue goes by size alone past who
// waits, so each of them fitted where this place's party did not.
func (s *Stores) PassedOver(ctx context.Context, eventID string, queuedVersion int64) (int64, error) {
	return s.queued(ctx, eventID, "gt", queuedVersion, contract.StatusConfirmed, contract.StatusOffered)
}

func (s *Stores) queued(ctx context.Context, eventID, side string, queuedVersion int64, statuses ...string) (int64, error) {
	n, err := run(s.search, func() (int64, error) {
		return s.Elastic.Count(ctx, document.GuestList, object{"bool": object{"filter": []any{
			term("event_id", eventID), object{"terms": object{"status": statuses}},
			object{"range": object{"queued_version": object{side: queuedVersion}}},
		}}})
	})
	if err != nil {
		return 0, searched("count the queue", err)
	}
	return n, nil
}

// The orders of a guest list.
const (
	GuestsByName  = "name"
	GuestsByDate  = "created"
	GuestsByQueue = "queue"
)

// GuestQuery is what a member may ask of a guest list.
type GuestQuery struct {
	Event     string
	Q         string
	Status    string
	CheckedIn *bool
	Conflict  *bool
	Sort      string
	Limit     int

	Identity string // of an address, instead of Event: a guest's own history
}

// GuestPage is an answer.
type GuestPage struct {
	Items      []document.Guest
	Total      int64
	NextCursor string
}

func (q GuestQuery) body(after []any) object {
	var filter []any
	if q.Event != "" {
		filter = append(filter, term("event_id", q.Event))
	}
	if q.Identity != "" {
		filter = append(filter, term("email_identity", q.Identity))
	}
	if q.Status != "" {
		filter = append(filter, term("status", q.Status))
	}
	if q.CheckedIn != nil {
		in := object{"range": object{"checked_in": object{"gt": 0}}}
		if *q.CheckedIn {
			filter = append(filter, in)
		} else {
			filter = append(filter, object{"bool": object{"must_not": []any{in}}})
		}
	}
	if q.Conflict != nil {
		there := term("conflict", "true")
		if *q.Conflict {
			filter = append(filter, there)
		} else { // also what an older release wrote
			filter = append(filter, object{"bool": object{"must_not": []any{there}}})
		}
	}
	// Each word may still be being typed: any of them is the beginning of one.
	for _, w := range document.Words(q.Q) {
		filter = append(filter, match("search", w, false, true))
	}
	body := object{
		"size": q.Limit + 1, "track_total_hits": true, "query": object{"bool": object{"filter": filter}}, "sort": q.order(),
	}
	if after != nil {
		body["search_after"] = after
	}
	return body
}

func (q GuestQuery) order() []any {
	switch q.Sort {
	case GuestsByDate:
		return []any{object{"created_at": "desc"}, object{"rsvp_id": "desc"}}
	case GuestsByQueue:
		return []any{object{"queued_version": "asc"}, object{"rsvp_id": "asc"}}
	default:
		return []any{object{"name_key": "asc"}, object{"rsvp_id": "asc"}}
	}
}

// Guests runs one page.
func (s *Stores) Guests(ctx context.Context, q GuestQuery, cursorText string) (GuestPage, error) {
	bound := q
	bound.Limit = 0
	query, err := fingerprint(bound)
	if err != nil {
		return GuestPage{}, err
	}
	at := cursor{Query: query}
	var after []any
	if cursorText != "" {
		if at, err = decodeCursor(cursorText, query, len(q.order())); err != nil {
			return GuestPage{}, err
		}
		after = at.after()
	}
	r, err := run(s.search, func() (elastic.SearchResult, error) {
		return s.Elastic.Search(ctx, document.GuestList, q.body(after))
	})
	switch {
	case err != nil && refused(err) && cursorText != "":
		return GuestPage{}, ErrCursor.Because(err)
	case err != nil:
		return GuestPage{}, searched("search guests", err)
	}
	p := GuestPage{Items: make([]document.Guest, 0, len(r.Hits)), Total: r.Total}
	hits := r.Hits[:min(len(r.Hits), q.Limit)]
	for _, hit := range hits {
		var g document.Guest
		if err := json.Unmarshal(hit.Source, &g); err != nil {
			return p, fmt.Errorf("guest document %s: %w", hit.ID, err)
		}
		p.Items = append(p.Items, g)
	}
	if len(hits) < len(r.Hits) {
		at.After = hits[len(hits)-1].Sort
		p.NextCursor, err = at.encode()
	}
	return p, err
}
