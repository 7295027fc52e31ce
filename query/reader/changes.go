package reader

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/fault"
)

// ErrCursorExpired means that the log was filled anew since: start from the
// beginning.
var ErrCursorExpired = fault.New(fault.Gone, "cursor-expired", "The log was filled anew; start without a cursor")

// place is the last message of a partition that a client has: its offset, and
// its id to tell whether the log is still the same.
type place struct {
	Offset int64  `json:"o"`
	ID     string `json:"i"`
}

type feedCursor struct {
	Epoch  string           `json:"e"`
	Query  string           `json:"q"`
	Places map[string]place `json:"p"` // by partition
}

// ChangesVisible waits until the feed gives out what is asked for.
func (s *Stores) ChangesVisible(ctx context.Context, least Least) error {
	return s.visible(ctx, document.Facts, least, func() (bool, error) { return s.givenOut(ctx, least) })
}

// givenOut compares the place of a version's fact with the mark of its partition, as Changes does: that it is there is
// not enough.
func (s *Stores) givenOut(ctx context.Context, least Least) (bool, error) {
	doc, err := s.docOf(ctx, document.Facts, document.FactID(least.Subject, least.Version))
	if errors.Is(err, elastic.ErrNotFound) {
		if marked, err := s.marked(ctx, document.Facts, least); marked || err != nil {
			return marked, err
		}
		return s.organizationReached(ctx, least) // its versions are no facts
	}
	var f document.Fact
	if err == nil {
		err = json.Unmarshal(doc.Source, &f)
	}
	if err != nil {
		return false, err
	}
	if f.Partition == document.LateLane {
		return f.Offset <= time.Now().Add(-document.LateAfter).UnixNano(), nil
	}
	mark, err := askRedis(ctx, s, func(ctx context.Context) (int64, error) {
		return s.Redis.HGet(ctx, s.Redis.Key(document.KeyFeed), strconv.Itoa(int(f.Partition))).Int64()
	})
	if errors.Is(err, redis.Nil) {
		return true, nil // nothing is known against it
	}
	return err == nil && f.Offset <= mark, err
}

// Changes gives the next messages of organizations, in order per event. after
// is "" or a cursor of an earlier answer; the new one is always given.
func (s *Stores) Changes(ctx context.Context, organizations []string, after string, limit int) ([]document.Fact, string, error) {
	slices.Sort(organizations)
	query, err := fingerprint(organizations)
	if err != nil {
		return nil, "", err
	}
	at := feedCursor{Query: query, Places: map[string]place{}}
	if after != "" {
		if at, err = decodeFeed(after, query); err != nil {
			return nil, "", err
		}
	}
	// Before the facts are read: should a refill begin meanwhile, the new cursor is of before it.
	epoch, tooEarly, err := s.feedState(ctx, time.Now())
	if err != nil {
		return nil, "", err
	}
	if after != "" {
		if at.Epoch != epoch {
			return nil, "", ErrCursorExpired
		}
		if err := s.stillThere(ctx, at.Places); err != nil {
			return nil, "", err
		}
	}
	at.Epoch = epoch
	r, err := run(s.search, func() (elastic.SearchResult, error) {
		return s.Elastic.Search(ctx, document.Facts, object{
			"size": limit, "track_total_hits": false,
			"query": object{"bool": object{"filter": []any{object{"terms": object{"organization_id": organizations}}, behind(at.Places)},
				"must_not": tooEarly}},
			// By offset: what a page leaves out of a partition is after all that it has of it.
			"sort": []any{object{"offset": "asc"}, object{"partition": "asc"}},
		})
	})
	if err != nil {
		return nil, "", searched("read changes", err)
	}
	facts := make([]document.Fact, 0, len(r.Hits))
	for _, hit := range r.Hits {
		var f document.Fact
		if err := json.Unmarshal(hit.Source, &f); err != nil {
			return nil, "", fmt.Errorf("fact %s: %w", hit.ID, err)
		}
		facts = append(facts, f)
		at.Places[strconv.Itoa(int(f.Partition))] = place{Offset: f.Offset, ID: hit.ID}
	}
	b, err := json.Marshal(at)
	return facts, base64.RawURLEncoding.EncodeToString(b), err
}

// decodeFeed refuses a cursor of other organizations, and one that no answer
// has given.
func decodeFeed(s, query string) (feedCursor, error) {
	var at feedCursor
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) > 8<<10 || json.Unmarshal(b, &at) != nil || at.Query != query || at.Places == nil {
		return at, ErrCursor
	}
	for partition, p := range at.Places {
		if n, err := strconv.ParseInt(partition, 10, 32); err != nil || strconv.FormatInt(n, 10) != partition || p.ID == "" || p.Offset < 0 {
			return at, ErrCursor
		}
	}
	return at, nil
}

// behind matches what comes after the places, and everything of the other
// partitions.
func behind(places map[string]place) object {
	var should, seen []any
	for partition, p := range places {
		should = append(should, object{"bool": object{"filter": []any{
			term("partition", partition), object{"range": object{"offset": object{"gt": p.Offset}}}}}})
		seen = append(seen, partition)
	}
	should = append(should, object{"bool": object{"must_not": []any{object{"terms": object{"partition": append([]any{}, seen...)}}}}})
	return object{"bool": object{"should": should, "minimum_should_match": 1}}
}

// feedState is the feed's epoch, and what matches facts that may be visible before something of a lower place is: in
// a partition what lies beyond its mark, of the late facts the youngest. A
// partition without a mark has had no message since marks are kept, or Redis lost
// it: nothing is known against it.
func (s *Stores) feedState(ctx context.Context, now time.Time) (string, []any, error) {
	var epoch string
	marks, err := askRedis(ctx, s, func(ctx context.Context) (map[string]string, error) {
		pipe := s.Redis.TxPipeline()
		of, marks := pipe.Get(ctx, s.Redis.Key(document.KeyFeedEpoch)), pipe.HGetAll(ctx, s.Redis.Key(document.KeyFeed))
		_, err := pipe.Exec(ctx)
		epoch = of.Val()
		return marks.Val(), err
	})
	if errors.Is(err, redis.Nil) { // no epoch: a projector sets it within seconds
		return "", nil, ErrSearchAway.Because(err)
	}
	if err != nil {
		return "", nil, searched("read the marks of the feed", err)
	}
	beyond := func(partition string, offset int64) object {
		return object{"bool": object{"filter": []any{term("partition", partition), object{"range": object{"offset": object{"gt": offset}}}}}}
	}
	out := []any{beyond(lateLane, now.Add(-document.LateAfter).UnixNano())}
	for partition, mark := range marks {
		offset, err := strconv.ParseInt(mark, 10, 64)
		if err != nil {
			return "", nil, fmt.Errorf("mark of partition %s: %w", partition, err)
		}
		out = append(out, beyond(partition, offset))
	}
	return epoch, out, nil
}

var lateLane = strconv.Itoa(int(document.LateLane))

// stillThere compares the places with the log as it is.
func (s *Stores) stillThere(ctx context.Context, places map[string]place) error {
	ids := make([]string, 0, len(places))
	for partition, p := range places {
		if partition != lateLane { // it may have moved there again, or back to its own place; its time says enough
			ids = append(ids, p.ID)
		}
	}
	docs, err := run(s.search, func() ([]elastic.Doc, error) { return s.Elastic.MGet(ctx, document.Facts, ids) })
	if err != nil {
		return searched("read changes", err)
	}
	for _, d := range docs {
		var f document.Fact
		if !d.Found || json.Unmarshal(d.Source, &f) != nil {
			return ErrCursorExpired
		}
		if f.Partition == document.LateLane {
			continue // redriven once more: the place that it had is its cursor's all the same
		}
		p, ok := places[strconv.Itoa(int(f.Partition))]
		if !ok || p.ID != d.ID || p.Offset != f.Offset {
			return ErrCursorExpired
		}
	}
	return nil
}
