package web

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

// logShown is a page of the log; one more is never held back for what the read side has not seen yet.
const logShown = 50

type historyPage struct {
	memberPage
	AsOf  string // as it was typed
	Then  *thenView
	Log   []loggedView
	Older string
	First string
	Check string // where the chain is counted through
	Proof *chainView
	Off   *problem // why there is no proof
}

// thenView is the event at a time.
type thenView struct {
	Version  int64             `json:"version"`
	Event    *momentView       `json:"event"`
	Counters contract.Counters `json:"counters"`
	RSVPs    map[string]int    `json:"rsvps"` // parties by status
}

// chainView is what walking the log, in which each entry carries the hash of the one before, has found.
type chainView struct {
	Version  int64  `json:"version"`
	Head     string `json:"head"`
	Intact   bool   `json:"intact"`
	BrokenAt int64  `json:"broken_at"`
	Reason   string `json:"reason"`
}

// eventHistory shows what happened, and where everything stood at a time.
func (p *pages) eventHistory(c *gin.Context) {
	e, o, ok := p.memberEvent(c)
	if !ok {
		return
	}
	page := historyPage{memberPage: newMemberPage(c, e, o, "history", "History"), AsOf: c.Query("as_of")}
	before, err := strconv.ParseInt(c.Query("before"), 10, 64)
	newest := err != nil || before < 1
	if newest {
		before = e.Version + 1
	}
	if !p.loadLog(c, &page, before, newest) {
		return
	}
	if page.AsOf != "" {
		page.Then, page.Problem = p.then(c, e, page.AsOf)
	}
	switch {
	case !newest:
	case c.Query("check") == "": // the whole log is read for it
		page.Check = page.link(url.Values{"check": {"1"}})
	default:
		var proof chainView
		_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.command+"/v1/events/"+e.ID+"/history/verify", nil, &proof, by(c))
		if page.Proof = &proof; err != nil {
			page.Proof, page.Off = nil, asProblem(err)
		}
	}
	p.show(c, page.status(), "o_history", page)
}

// loadLog reads a page of the log, newest first. The API gives it from the oldest on; versions have no gaps, so the page
// before any message begins at a version that can be counted back to.
func (p *pages) loadLog(c *gin.Context, page *historyPage, before int64, newest bool) bool {
	from := max(0, before-1-logShown)
	limit := before - 1 - from
	if newest {
		limit = 2 * logShown // the log may be ahead of the event that was read
	}
	if limit == 0 {
		return true
	}
	log, err := p.logged(c, page.Event, page.Org, url.Values{"cursor": {strconv.FormatInt(from, 10)}, "limit": {strconv.FormatInt(limit, 10)}})
	if err != nil {
		p.memberSorry(c, err)
		return false
	}
	for i := len(log.Items) - 1; i >= 0; i-- {
		page.Log = append(page.Log, log.Items[i])
	}
	if from > 0 {
		page.Older = page.link(url.Values{"before": {strconv.FormatInt(from+1, 10)}}) + "#log"
	}
	if !newest {
		page.First = page.link(url.Values{}) + "#log"
	}
	return true
}

// link leads to the same history as of the same time.
func (h historyPage) link(q url.Values) string {
	if h.AsOf != "" {
		q.Set("as_of", h.AsOf)
	}
	return address("/o/events/"+h.Event.ID+"/history", q)
}

// then asks where everything stood at a time of the event's clock.
func (p *pages) then(c *gin.Context, e eventView, typed string) (*thenView, *problem) {
	at, err := onClock(typed, e.TimeZone)
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Detail: "This is no date and time: " + typed}
	}
	var v thenView
	q := url.Values{"as_of": {at.UTC().Format(time.RFC3339)}}
	if _, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.command+"/v1/events/"+e.ID+"/history?"+q.Encode(), nil, &v, by(c)); err != nil {
		why := asProblem(err)
		if why.Code == "event-not-yet" {
			why = &problem{Status: http.StatusNotFound, Detail: "The event was not there yet at that time."}
		}
		return nil, why
	}
	return &v, nil
}

// State is a status in an organizer's words.
func (historyPage) State(status string) string { return stateWord(status) }

// Seats is a capacity in words.
func (historyPage) Seats(capacity *int) string { return capacityWord(capacity) }

// Asked is the time that was asked for.
func (h historyPage) Asked() string {
	at, err := onClock(h.AsOf, h.Event.TimeZone)
	if err != nil {
		return h.AsOf
	}
	return when(at, h.Event.TimeZone)
}
