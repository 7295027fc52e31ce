package httpapi

import (
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/unicode/norm"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/query/reader"
)

const csvPage = 1000

// guestsCSV answers GET /v1/events/{id}/guests.csv: all that match, a page at a
// time, so that a large event costs no more memory than a small one.
func (a *API) guestsCSV(c *gin.Context) error {
	p := paramsOf(c, "q", "status", "checked_in", "conflict", "sort")
	q := guestQuery(p)
	if err := p.err(); err != nil {
		return err
	}
	ctx := c.Request.Context()
	e, want, err := a.openGuests(c)
	if err != nil {
		return err
	}
	q.Event, q.Limit = e.ID, csvPage
	if err := a.Stores.Visible(ctx, document.GuestList, want); err != nil {
		return err
	}
	page, err := a.Stores.Guests(ctx, q, "")
	if err != nil {
		return err
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+fileName(e.Slug)+`-guests.csv"`)
	h.Set("Cache-Control", "private, no-store")
	c.Status(http.StatusOK)
	w := csv.NewWriter(c.Writer)
	w.UseCRLF = true                  // RFC 4180
	_ = w.Write(csvHead(e.Questions)) // it keeps its error until Flush
	for {
		for _, g := range page.Items {
			_ = w.Write(csvRow(g, e.Questions))
		}
		w.Flush()
		if page.NextCursor == "" || ctx.Err() != nil || w.Error() != nil {
			return nil //nolint:nilerr // all is sent, or the client has left
		}
		if page, err = a.Stores.Guests(ctx, q, page.NextCursor); err != nil {
			// The head is sent: only breaking off tells the client that it lacks rows.
			a.Log.ErrorContext(ctx, "guest list broken off", "event", e.ID, "error", err)
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to cut an answer
		}
	}
}

// openGuests is bounded like every other request; only the rows are not.
func (a *API) openGuests(c *gin.Context) (reader.Event, reader.Least, error) {
	if _, err := a.account(c); err != nil {
		return reader.Event{}, reader.Least{}, err
	}
	want, err := least(c)
	if err != nil {
		return reader.Event{}, want, err
	}
	whole := c.Request
	ctx, cancel := context.WithTimeout(whole.Context(), requestBound)
	defer cancel()
	c.Request = whole.WithContext(ctx)
	defer func() { c.Request = whole }()
	e, err := a.ownEvent(c, rolesGuests)
	return e, want, err
}

func csvHead(questions []contract.Question) []string {
	head := []string{"id", "name", "email", "status", "response", "party_size", "checked_in", "checked_in_at", "created_at", "updated_at",
		"locale", "updates", "marketing", "rating", "comment", "conflicts"}
	for _, q := range questions {
		head = append(head, safe(q.Label))
	}
	return head
}

func csvRow(g document.Guest, questions []contract.Question) []string {
	row := []string{g.RSVPID, safe(g.Name), safe(g.Email), g.Status, g.Response, strconv.Itoa(g.PartySize), strconv.Itoa(g.CheckedIn),
		moment(g.CheckedInAt), moment(&g.CreatedAt), moment(&g.UpdatedAt), safe(g.Locale),
		strconv.FormatBool(g.Consents.Updates), strconv.FormatBool(g.Consents.Marketing), rating(g.Rating), safe(g.Comment), kinds(g.Conflicts)}
	for _, q := range questions {
		answer := g.Answers[q.ID]
		text := answer.Text
		if len(answer.Choices) > 0 {
			text = strings.Join(answer.Choices, "; ")
		}
		row = append(row, safe(text))
	}
	return row
}

// kinds names what the door found wrong, each once.
func kinds(conflicts []contract.Scan) string {
	var names []string
	for _, s := range conflicts {
		if !slices.Contains(names, s.Conflict) {
			names = append(names, s.Conflict)
		}
	}
	return strings.Join(names, "; ")
}

// safe keeps a spreadsheet from taking a guest's words for a formula (OWASP,
// CSV injection): the quote is shown by no program but read by all. What stands
// before the sign does not hide it: programs drop blanks and marks that nobody
// sees; and those of East Asia take the full-width signs for the plain ones.
func safe(s string) string {
	if s == "" {
		return s
	}
	if strings.ContainsRune("\t\r\n", rune(s[0])) {
		return "'" + s
	}
	inked := strings.TrimLeftFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
	})
	// NFKC makes the plain sign of every other form of it: full-width, small, superscript.
	if plain := norm.NFKC.String(inked[:min(len(inked), utf8.UTFMax)]); plain != "" && strings.ContainsRune("=+-@\u2212", first(plain)) {
		return "'" + s
	}
	return s
}

func first(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func rating(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
