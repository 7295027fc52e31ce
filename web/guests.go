package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

// guestsShown is a page of the list: what one looks through before searching.
const guestsShown = 50

type guestsPage struct {
	memberPage
	List   guestListView
	Seats  *standingView
	Filter url.Values // what the list is narrowed to
	First  string     // the first page, from any other
	Next   string
	From   int // the place of the first row in the queue; 0 where the list is no queue
}

type guestListView struct {
	Items      []guestView `json:"items"`
	NextCursor *string     `json:"next_cursor"`
	Total      int         `json:"total"`
}

// standingView is how many people there are in each state.
type standingView struct {
	seatsView
	CheckedIn int `json:"checked_in"`
}

var (
	guestFilters  = []string{"q", "status", "checked_in", "conflict", "sort"}
	guestStatuses = []string{contract.StatusConfirmed, contract.StatusPending, contract.StatusWaitlisted, contract.StatusOffered, contract.StatusMaybe,
		contract.StatusDeclined, contract.StatusCancelled}
)

// guestFilter takes the filters of an address or of a form's `back`, and nothing else.
func guestFilter(q url.Values, more ...string) url.Values {
	f := url.Values{}
	for _, name := range append(slices.Clone(guestFilters), more...) {
		if given := q.Get(name); given != "" {
			f.Set(name, given)
		}
	}
	return f
}

// guests is the guest list.
func (p *pages) guests(c *gin.Context) {
	page, ok := p.loadGuests(c, guestFilter(c.Request.URL.Query(), "cursor", "from"))
	if ok {
		p.show(c, page.status(), "o_guests", page)
	}
}

func (p *pages) loadGuests(c *gin.Context, asked url.Values) (guestsPage, bool) {
	e, o, ok := p.memberEvent(c)
	if !ok {
		return guestsPage{}, false
	}
	page := guestsPage{memberPage: newMemberPage(c, e, o, "guests", "Guests"), Filter: guestFilter(asked)}
	ctx, headers := c.Request.Context(), by(c, "Turnout-Min-Version", c.Query("v"))
	ask := guestFilter(asked, "cursor")
	ask.Set("limit", strconv.Itoa(guestsShown))
	_, err := p.api.do(ctx, http.MethodGet, p.api.query+"/v1/events/"+e.ID+"/guests?"+ask.Encode(), nil, &page.List, headers)
	switch why := asProblem(err); {
	case err == nil:
	case why.Code == "invalid-input" || why.Code == "invalid-cursor":
		page.Problem = why // with the form, so that it can be mended
	default:
		p.memberSorry(c, err)
		return page, false
	}
	for i := range page.List.Items {
		page.List.Items[i].event = e
	}
	page.Seats = p.standing(ctx, e.ID, headers)
	page.turn(asked)
	return page, true
}

// standing is nil where the counters are away: the list is worth showing without them.
func (p *pages) standing(ctx context.Context, id string, headers map[string]string) *standingView {
	var s standingView
	if _, err := p.api.do(ctx, http.MethodGet, p.api.query+"/v1/events/"+id+"/availability", nil, &s, headers); err != nil {
		return nil
	}
	return &s
}

// turn makes the links to the other pages. The queue is numbered through where nothing but the waitlist is asked for; its
// pages carry where they begin, for a cursor does not tell.
func (g *guestsPage) turn(asked url.Values) {
	if g.Filter.Get("sort") == "queue" && g.Filter.Get("status") == contract.StatusWaitlisted && len(g.Filter) == 2 {
		g.From = 1
		if from, err := strconv.Atoi(asked.Get("from")); err == nil && from > 0 && asked.Get("cursor") != "" {
			g.From = from
		}
	}
	if asked.Get("cursor") != "" {
		g.First = g.path(g.Filter)
	}
	if g.List.NextCursor != nil {
		next := maps.Clone(g.Filter)
		next.Set("cursor", *g.List.NextCursor)
		if g.From > 0 {
			next.Set("from", strconv.Itoa(g.From+len(g.List.Items)))
		}
		g.Next = g.path(next)
	}
}

func (g guestsPage) path(q url.Values) string { return address(guestsPath(g.Event.ID), q) }

func guestsPath(event string) string { return "/o/events/" + url.PathEscape(event) + "/guests" }

// CSV is the list as a file, narrowed in the same way.
func (g guestsPage) CSV() string { return address(guestsPath(g.Event.ID)+".csv", g.Filter) }

// Back leads a form back to the list as it is shown.
func (g guestsPage) Back() string { return g.Filter.Encode() }

// Narrowed tells whether the list leaves anybody out.
func (g guestsPage) Narrowed() bool {
	return len(g.Filter) > 1 || len(g.Filter) == 1 && !g.Filter.Has("sort")
}

// Place is a row's in the queue.
func (g guestsPage) Place(row int) int { return g.From + row }

// Statuses are what the list can be narrowed to.
func (g guestsPage) Statuses() []string { return guestStatuses }

// StateWord is a status in an organizer's words.
func (g guestsPage) StateWord(status string) string { return stateWord(status) }

// Party is what stands in the field of a row: what was refused is kept.
func (g guestsPage) Party(r guestView) string {
	if g.Form.Get("rsvp") == r.ID && g.Form.Has("party_size") {
		return g.Form.Get("party_size")
	}
	return strconv.Itoa(r.PartySize)
}

// Most is how many people a party may have: what it has already stays allowed.
func (g guestsPage) Most(r guestView) int { return max(g.Event.MaxParty, r.PartySize) }

// Only leads to those in one state.
func (g guestsPage) Only(status string) string {
	q := url.Values{"status": {status}}
	if status == contract.StatusWaitlisted {
		q.Set("sort", "queue")
	}
	return g.path(q)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// rowForm is what a row's forms carry.
type rowForm struct{ ID, Back, Key string }

// Row is what the forms of a row carry.
func (g guestsPage) Row(r guestView) rowForm { return rowForm{r.ID, g.Back(), g.Key} }
