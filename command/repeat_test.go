package command_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
)

type seriesView struct {
	SeriesID string `json:"series_id"`
	Items    []eventView
}

func (r response) series() seriesView {
	r.t.Helper()
	var v seriesView
	if err := json.Unmarshal(r.body, &v); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.body)
	}
	return v
}

// repeat is a request for count events from this one on, once a week.
func repeat(auth, eventID string, count int) request {
	return request{method: "POST", path: "/v1/events/" + eventID + "/repeat", auth: auth,
		body: map[string]string{"rrule": fmt.Sprintf("FREQ=WEEKLY;COUNT=%d", count)}}
}

// dates is how many events a series has, each on a date of its own.
func (r *role) dates(seriesID string) int {
	r.t.Helper()
	var events, dates int
	err := r.pool.QueryRow(r.t.Context(), `SELECT count(*), count(DISTINCT starts_at) FROM event WHERE series_id = $1`, seriesID).Scan(&events, &dates)
	if err != nil {
		r.t.Fatal(err)
	}
	if events != dates {
		r.t.Errorf("%d events on %d dates", events, dates)
	}
	return dates
}

// Who repeats an event again, with whatever key and from whichever event of the
// series, makes the dates that the series lacks, and no other.
func TestRepeatingTwiceMakesNoDateTwice(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	source := r.published(auth, r.organization(auth), nil)
	made := func(q request) seriesView {
		t.Helper()
		return r.do(q).want(http.StatusOK).series()
	}
	q := repeat(auth, source, 4)
	q.key = "first"
	kept := r.do(q).want(http.StatusOK)
	first := kept.series()
	if len(first.Items) != 3 {
		t.Fatalf("%s: want three more", kept.body)
	}

	q.key = "second"
	nothing := r.do(q).want(http.StatusOK)
	if got := nothing.series(); len(got.Items) != 0 || got.SeriesID != first.SeriesID {
		t.Errorf("again with another key: %s", nothing.body)
	}
	// There is no new event that the answer could be about: it is about the one that was repeated.
	if tag, v := nothing.header.Get("ETag"), nothing.header.Get("Turnout-Version"); tag != `"3"` || v != version(source, 3) {
		t.Errorf("the answer is about %s, ETag %s", v, tag)
	}
	r.do(request{method: "POST", path: "/v1/events/" + first.Items[1].ID + "/cancel", auth: auth}).want(http.StatusOK)
	q.key = ""
	if got := made(q); len(got.Items) != 0 {
		t.Errorf("a date that was called off is made again: %+v", got)
	}
	if got := made(repeat(auth, source, 6)); len(got.Items) != 2 || got.SeriesID != first.SeriesID {
		t.Errorf("two weeks longer: %+v", got)
	}
	if got := made(repeat(auth, first.Items[0].ID, 6)); len(got.Items) != 1 || got.SeriesID != first.SeriesID {
		t.Errorf("one week longer, from its second event: %+v", got)
	}
	if n := r.dates(first.SeriesID); n != 7 {
		t.Errorf("%d dates, want 7", n)
	}
	q.key = "first"
	if again := r.do(q); string(again.body) != string(kept.body) {
		t.Errorf("the first request again: %s", again.body)
	}
}

// At once, in two processes, before and after there is a series.
func TestRepeatsAtOnceMakeOneSeries(t *testing.T) {
	t.Parallel()
	r := start(t)
	processes := []*role{r, r.again()}
	auth := r.signUp("owner@example.org")
	source := r.published(auth, r.organization(auth), nil)
	// race gives how many events were made in all, and their series.
	race := func(count int, from ...string) (made int, series map[string]int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		series = map[string]int{}
		for i := range 8 {
			q := repeat(auth, from[i%len(from)], count)
			q.key = unique(t)
			all.Go(func() {
				got, err := processes[i%2].insist(q)
				if err != nil || got.status != http.StatusOK {
					t.Errorf("%d %s, %v", got.status, got.body, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				v := got.series()
				made += len(v.Items)
				series[v.SeriesID]++
			})
		}
		all.Wait()
		return made, series
	}
	made, series := race(6, source)
	if made != 5 || len(series) != 1 {
		t.Fatalf("%d events made, series %v: want 5 of one", made, series)
	}
	var seriesID, second string
	for seriesID = range series {
	}
	err := r.pool.QueryRow(t.Context(), `SELECT id FROM event WHERE series_id = $1 AND id <> $2 ORDER BY starts_at LIMIT 1`, seriesID, source).Scan(&second)
	if err != nil {
		t.Fatal(err)
	}
	if made, _ = race(10, source, second); made != 5 { // ten from the second on are eleven in all
		t.Errorf("%d more events made, want 5", made)
	}
	if n := r.dates(seriesID); n != 11 {
		t.Errorf("%d dates, want 11", n)
	}
}

// A source that is in a series is checked like any other.
func TestARepeatOfWhatWasEditedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	source := r.published(auth, r.organization(auth), nil)
	seen := func(count int, tag string) response {
		q := repeat(auth, source, count)
		q.header = map[string]string{"If-Match": tag}
		return r.do(q)
	}
	seen(3, `"1"`).want(http.StatusPreconditionFailed, "revision-mismatch")
	seriesID := seen(3, `"2"`).want(http.StatusOK).series().SeriesID
	seen(5, `"2"`).want(http.StatusPreconditionFailed, "revision-mismatch") // joining the series was an edit
	if n := r.dates(seriesID); n != 3 {
		t.Errorf("%d dates, want 3: a refused request made some", n)
	}
	seen(5, `"3"`).want(http.StatusOK)
	if n := r.dates(seriesID); n != 5 {
		t.Errorf("%d dates, want 5", n)
	}
}

// A request that ended between the two things that it does goes on when it is
// sent again: that the event is in the series by now is no edit of somebody else.
func TestARepeatThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	source := r.published(auth, r.organization(auth), nil)
	q := repeat(auth, source, 3)
	q.key, q.header = "cut off", map[string]string{"If-Match": `"2"`}
	for _, sql := range []string{
		`CREATE FUNCTION not_now() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '57P03'; END $$`,
		`CREATE TRIGGER not_now BEFORE INSERT ON event EXECUTE FUNCTION not_now()`,
	} {
		if _, err := r.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	r.do(q).want(http.StatusServiceUnavailable)
	if _, err := r.pool.Exec(t.Context(), `DROP TRIGGER not_now ON event`); err != nil {
		t.Fatal(err)
	}
	got := r.do(q).want(http.StatusOK).series()
	if n := r.dates(got.SeriesID); len(got.Items) != 2 || n != 3 {
		t.Errorf("%d made, %d dates: %+v", len(got.Items), n, got)
	}
}
