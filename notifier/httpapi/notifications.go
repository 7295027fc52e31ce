package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// notification is a notice as members see it.
type notification struct {
	ID        string     `json:"id"`
	RSVPID    string     `json:"rsvp_id,omitempty"`    // of a guest
	AccountID string     `json:"account_id,omitempty"` // of a member
	Name      string     `json:"name,omitempty"`
	Email     string     `json:"email,omitempty"`
	Kind      string     `json:"kind"`
	Channel   string     `json:"channel"`
	State     string     `json:"state"`
	Reason    string     `json:"reason"` // why it was planned
	Cause     causedBy   `json:"cause"`  // by which message
	PlannedAt time.Time  `json:"planned_at"`
	DueAt     time.Time  `json:"due_at"`
	SentAt    *time.Time `json:"sent_at"`
	Outcome   string     `json:"outcome"` // what happened
	Attempts  int        `json:"attempts"`
	MessageID string     `json:"message_id"`
}

type causedBy struct {
	Type    string `json:"type"`
	Version int64  `json:"version"`
}

const (
	defaultLimit = 20
	maxLimit     = 100
)

func (a *API) listNotifications(c *gin.Context) {
	f, err := filterOf(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	_, role, err := a.member(c, f.EventID, rolesNotifications)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	notices, err := a.Store.List(c.Request.Context(), f)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	var next *string
	if len(notices) > limit {
		notices = notices[:limit]
		last := notices[limit-1]
		cursor := encodeCursor(last.PlannedAt, last.ID)
		next = &cursor
	}
	items := make([]notification, len(notices))
	for i := range notices {
		items[i] = a.view(&notices[i])
	}
	if slices.Contains(rolesAddresses, role) {
		if err := a.addGuests(c, items); err != nil {
			httpserver.Problem(c, err)
			return
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": next})
}

func filterOf(c *gin.Context) (pgstore.Filter, error) {
	f := pgstore.Filter{EventID: c.Param("id"), RSVPID: c.Query("rsvp_id"), Kind: c.Query("kind"), State: c.Query("state"), Limit: defaultLimit}
	if !id.Valid(f.EventID) {
		return f, fault.ErrNotFound
	}
	var bad []fault.Field
	if _, there := c.GetQuery("rsvp_id"); there && !id.Valid(f.RSVPID) {
		bad = append(bad, fault.Field{Pointer: "rsvp_id", Detail: "is not an id"})
	}
	if text, there := c.GetQuery("limit"); there {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			bad = append(bad, fault.Field{Pointer: "limit", Detail: "wants a number from 1 to 100"})
		}
		f.Limit = n
	}
	if text, there := c.GetQuery("cursor"); there {
		var ok bool
		if f.BeforePlanned, f.BeforeID, ok = decodeCursor(text); !ok {
			bad = append(bad, fault.Field{Pointer: "cursor", Detail: "is not one of ours"})
		}
	}
	for name, v := range map[string]string{"kind": f.Kind, "state": f.State} {
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) { // Postgres takes neither
			bad = append(bad, fault.Field{Pointer: name, Detail: "not UTF-8 text"})
		}
	}
	for name := range c.Request.URL.Query() {
		if !slices.Contains([]string{"rsvp_id", "kind", "state", "limit", "cursor"}, name) {
			bad = append(bad, fault.Field{Pointer: name, Detail: "unknown parameter"})
		}
	}
	if len(bad) > 0 {
		return f, fault.ErrInvalid.About(bad...)
	}
	return f, nil
}

func (a *API) view(n *notice.Notice) notification {
	v := notification{
		ID: n.ID, RSVPID: n.RSVPID, AccountID: n.AccountID, Kind: string(n.Kind), Channel: n.Channel, State: string(n.State), Reason: n.Reason,
		Cause: causedBy{Type: n.CauseType, Version: n.CauseVersion}, PlannedAt: n.PlannedAt, DueAt: n.DueAt,
		Outcome: n.Outcome, Attempts: n.Attempts,
	}
	if n.Channel == notice.ChannelMail {
		v.MessageID = a.MessageID(n.ID)
	}
	switch n.State {
	case notice.Sent, notice.Delivered, notice.Bounced:
		at := n.FinishedAt
		v.SentAt = &at
	}
	return v
}

// addGuests opens the names and addresses of a page. Erased ones stay empty;
// while the keys are away the page comes without.
func (a *API) addGuests(c *gin.Context, items []notification) error {
	ids := make([]string, 0, len(items))
	for i := range items {
		if items[i].RSVPID != "" {
			ids = append(ids, items[i].RSVPID)
		}
	}
	guests, err := a.Store.Guests(c.Request.Context(), ids)
	if err != nil {
		return err
	}
	keys, err := a.Keys.Fetch(c.Request.Context(), ids)
	if err != nil {
		a.Log.WarnContext(c.Request.Context(), "notifications without names", "error", err)
		c.Header("Turnout-Degraded", "names")
		return nil
	}
	for i := range items {
		g := guests[items[i].RSVPID]
		if g == nil {
			continue
		}
		if p, ok := personal(g, keys); ok {
			items[i].Name, items[i].Email = p.Name, p.Email
		}
	}
	return nil
}

func personal(g *notice.Guest, keys seal.DataKeys) (p contract.Personal, ok bool) {
	ok = !g.Erased && opened(g.RSVPID, g.Sealed, keys, &p)
	return p, ok
}

// opened reads what is sealed for an owner, if its key is there.
func opened(owner string, sealed []byte, keys seal.DataKeys, into any) bool {
	key, there := keys.Keys[owner]
	if !there {
		return false
	}
	plain, err := seal.Open(key, sealed, owner)
	return err == nil && json.Unmarshal(plain, into) == nil
}

func encodeCursor(at time.Time, noticeID string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + noticeID))
}

func decodeCursor(s string) (time.Time, string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return time.Time{}, "", false
	}
	text, noticeID, _ := strings.Cut(string(raw), " ")
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, noticeID, err == nil && id.Valid(noticeID)
}
