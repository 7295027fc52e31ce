package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

var (
	errKey         = fault.New(fault.Invalid, "idempotency-key-invalid", "The Idempotency-Key is not usable")
	errKeyReused   = fault.New(fault.Unprocessable, "idempotency-key-reused", "The Idempotency-Key was used for another request")
	errHourlyLimit = fault.New(fault.TooMany, "announcement-limit", "The organization has announced enough for this hour")
	errNotPublic   = fault.New(fault.Conflict, "event-not-published", "Only a published or cancelled event has guests to write to")
)

// announcement is the body of a request.
type announcement struct {
	Subject string `json:"subject"`
	Body    string `json:"body"`
	To      string `json:"to"`
}

const (
	maxSubject = 200    // runes
	maxBody    = 10_000 // runes
	maxKey     = 255    // bytes
)

type announcementView struct {
	ID         string         `json:"id"`
	To         string         `json:"to"`
	Subject    string         `json:"subject"`
	Body       string         `json:"body"`
	Recipients int            `json:"recipients"`
	Unwanted   int            `json:"without_consent"` // did not want updates, and get none
	CreatedAt  time.Time      `json:"created_at"`
	States     map[string]int `json:"states,omitempty"`
}

func viewAnnouncement(a pgstore.Announcement) announcementView {
	return announcementView{ID: a.ID, To: a.Audience, Subject: a.Subject, Body: a.Body, Recipients: a.Recipients,
		Unwanted: a.Unwanted, CreatedAt: a.CreatedAt, States: a.States}
}

func (a *API) announce(c *gin.Context) {
	ev, account, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	var body announcement
	if err := httpserver.DecodeJSON(c, &body); err != nil {
		httpserver.Problem(c, err)
		return
	}
	if err := body.check(); err != nil {
		httpserver.Problem(c, err)
		return
	}
	if ev.Body.Status == contract.EventDraft {
		httpserver.Problem(c, errNotPublic)
		return
	}
	row, err := a.newAnnouncement(c, ev, account, body)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	n := notice.Notice{
		EventID: ev.ID, OrganizationID: ev.OrganizationID, Kind: notice.Announcement, Channel: notice.ChannelMail,
		Occurrence: notice.AnnouncementOccurrence(row.ID), DueAt: row.CreatedAt, Epoch: ev.Epoch, State: notice.Planned, Reason: "announced",
		CauseType: "announcement", CauseVersion: ev.Version, PlannedAt: row.CreatedAt, Detail: notice.Detail{Announcement: row.ID},
		Outcome: pgstore.HeldForLimit,
	}
	row, err = a.Store.Announce(c.Request.Context(), row, n, notice.Audiences[body.To], a.HourlyLimit, a.MailsPerHour)
	switch {
	case errors.Is(err, pgstore.ErrOtherRequest):
		err = errKeyReused
	case errors.Is(err, pgstore.ErrHourlyLimit):
		err = errHourlyLimit.After(10 * time.Minute)
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	a.Wake()
	c.JSON(http.StatusAccepted, viewAnnouncement(row))
}

// breaksLine tells what has no place in a header: control characters, what ends a line elsewhere, and what turns the
// writing direction (UAX #9), so that a line shows other text than its own.
func breaksLine(r rune) bool {
	return unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func (b announcement) check() error {
	var bad []fault.Field
	if n := utf8.RuneCountInString(strings.TrimSpace(b.Subject)); n == 0 || n > maxSubject || strings.ContainsFunc(b.Subject, breaksLine) {
		bad = append(bad, fault.Field{Pointer: "/subject", Detail: "wants one line of 1 to 200 characters"})
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(b.Body)); n == 0 || n > maxBody {
		bad = append(bad, fault.Field{Pointer: "/body", Detail: "wants 1 to 10000 characters"})
	}
	if notice.Audiences[b.To] == nil {
		bad = append(bad, fault.Field{Pointer: "/to", Detail: "wants going, maybe, waitlisted or all"})
	}
	if len(bad) > 0 {
		return fault.ErrInvalid.About(bad...)
	}
	return nil
}

func (a *API) newAnnouncement(c *gin.Context, ev *notice.Event, account string, body announcement) (pgstore.Announcement, error) {
	newID, err := id.New()
	if err != nil {
		return pgstore.Announcement{}, err
	}
	key, hash, err := requestKey(c, newID, ev.ID, body)
	if err != nil {
		return pgstore.Announcement{}, err
	}
	return pgstore.Announcement{
		ID: newID, EventID: ev.ID, OrganizationID: ev.OrganizationID, AccountID: account, Audience: body.To,
		Subject: strings.TrimSpace(body.Subject), Body: strings.TrimSpace(body.Body), RequestKey: key, RequestHash: hash,
		CreatedAt: a.Now().UTC().Truncate(time.Microsecond),
	}, nil
}

func (a *API) listAnnouncements(c *gin.Context) {
	ev, _, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	list, err := a.Store.Announcements(c.Request.Context(), ev.ID, maxLimit)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]announcementView, len(list))
	for i := range list {
		items[i] = viewAnnouncement(list[i])
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
}

// cancelAnnouncement takes back what has not gone yet.
func (a *API) cancelAnnouncement(c *gin.Context) {
	ev, _, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	if !id.Valid(c.Param("announcement")) {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	taken, err := a.Store.VoidAnnouncement(c.Request.Context(), ev.ID, c.Param("announcement"), "cancelled", a.Now().UTC())
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"cancelled": taken})
}

// organizer requires who may write to guests.
func (a *API) organizer(c *gin.Context) (*notice.Event, string, error) {
	if !id.Valid(c.Param("id")) {
		return nil, "", fault.ErrNotFound
	}
	account, err := a.account(c)
	if err != nil {
		return nil, "", err
	}
	ev, _, err := a.member(c, c.Param("id"), rolesAddresses)
	return ev, account, err
}
