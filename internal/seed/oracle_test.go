package seed

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// search answers GET /v1/events by brute force over the demo set: what the
// oracle's file says must be what this finds, and a wrong answer must be seen.
type search struct {
	rows []Row
	lie  int // added to every total
}

func (s *search) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var hits []*Row
	countries := map[string]int{}
	for i := range s.rows {
		if row := &s.rows[i]; matches(row, q) {
			hits = append(hits, row)
			countries[row.Country]++
		}
	}
	if q.Get("sort") == "distance" {
		lat, lon := pair(q.Get("near"))
		slices.SortFunc(hits, func(a, b *Row) int {
			if distance(lat, lon, *a.Lat, *a.Lon) < distance(lat, lon, *b.Lat, *b.Lon) {
				return -1
			}
			return 1
		})
	}
	from, _ := strconv.Atoi(q.Get("cursor"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	to := min(from+limit, len(hits))
	items := []any{}
	for _, row := range hits[from:to] {
		items = append(items, map[string]any{"external_id": row.ID, "venue": map[string]any{"lat": row.Lat, "lon": row.Lon}})
	}
	answer := map[string]any{"items": items, "total": len(hits) + s.lie, "facets": map[string]any{"country": countries}, "next_cursor": nil}
	if to < len(hits) {
		answer["next_cursor"] = strconv.Itoa(to)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func matches(r *Row, q url.Values) bool {
	if r.Visibility == "unlisted" {
		return false
	}
	if s := q.Get("status"); s != "all" && (s == "cancelled") != r.Cancelled() {
		return false
	}
	if o := q.Get("online"); o != "" && (o == "true") != r.Online {
		return false
	}
	if t := q.Get("tag"); t != "" && !slices.Contains(r.Tags, t) {
		return false
	}
	if near := q.Get("near"); near != "" {
		lat, lon := pair(near)
		km, _ := strconv.ParseFloat(q.Get("radius"), 64)
		if r.Lat == nil || distance(lat, lon, *r.Lat, *r.Lon) > km {
			return false
		}
	}
	if box := q.Get("bbox"); box != "" {
		w, s := pair(box)
		e, n := pair(strings.SplitN(box, ",", 3)[2])
		if r.Lat == nil || *r.Lat < s || *r.Lat > n {
			return false
		}
		if in := *r.Lon >= w && *r.Lon <= e; w <= e && !in || w > e && *r.Lon < w && *r.Lon > e {
			return false
		}
	}
	title := wordsOf(r.Title)
	for _, word := range wordsOf(q.Get("q")) {
		if !slices.Contains(title, word) {
			return false
		}
	}
	return true
}

func pair(s string) (a, b float64) {
	parts := strings.Split(s, ",")
	a, _ = strconv.ParseFloat(parts[0], 64)
	b, _ = strconv.ParseFloat(parts[1], 64)
	return a, b
}

func wordsOf(s string) []string {
	return strings.FieldsFunc(foldAccents(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mc, r) })
}

func askDemo(t *testing.T, lie int) []Verdict {
	t.Helper()
	in, err := Demo(0)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(&search{rows: in.Rows, lie: lie})
	t.Cleanup(h.Close)
	f, err := os.Open("demo/oracle.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	o, err := ReadOracle(f)
	if err != nil {
		t.Fatal(err)
	}
	if o.Events != len(in.Rows) {
		t.Errorf("the oracle is about %d events, the set has %d", o.Events, len(in.Rows))
	}
	api, err := NewAPI(h.URL, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	verdicts, err := o.Ask(t.Context(), api, 0)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}

func TestDemoOracleIsTrueOfTheDemoSet(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{}
	for _, v := range askDemo(t, 0) {
		if v.Wrong != "" {
			t.Errorf("%s: %s", v.Case, v.Wrong)
		}
		kinds[strings.Fields(v.Case)[0]] = true
	}
	if len(kinds) < 5 {
		t.Errorf("only %v", slices.Collect(maps.Keys(kinds)))
	}
}

func TestOracleSeesAWrongTotal(t *testing.T) {
	t.Parallel()
	for _, v := range askDemo(t, 1) {
		if v.Wrong == "" && v.Case != caseCountries {
			t.Errorf("%s: one too many was not seen", v.Case)
		}
	}
}
