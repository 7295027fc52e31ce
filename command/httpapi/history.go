package httpapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
)

const logPage = 1000 // messages per read of the log

var errNotYet = fault.New(fault.NotFound, "event-not-yet", "There was no such event, or answer, at that time")

// logged is a message of the log as a member sees it: without ciphertext.
type logged struct {
	Version    int64     `json:"version"`
	Type       string    `json:"type"`
	ValidAt    time.Time `json:"valid_at"`
	RecordedAt time.Time `json:"recorded_at"`
	Actor      string    `json:"actor"`
	Reason     string    `json:"reason,omitempty"`
	Hash       string    `json:"hash"`
	Data       any       `json:"data"`
}

// state is what the log says about an event at a time.
type state struct {
	Version  int64             `json:"version"`
	Event    *contract.Event   `json:"event"`
	Counters contract.Counters `json:"counters"`
	RSVPs    map[string]int    `json:"rsvps"` // parties by status
	RSVP     *answerThen       `json:"rsvp,omitempty"`
}

// answerThen is one answer at a time, and the last thing that had become of it by then.
type answerThen struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	PartySize int    `json:"party_size"`
	CheckedIn int    `json:"checked_in"`
	Last      logged `json:"last"`
}

// follow takes over what a message changed, and no more: one that is recorded late tells also what had become of the
// answer by then.
func (a *answerThen) follow(m *contract.RSVPMessage, last logged) {
	if a.ID == "" { // known before it was true: a device's clock is behind
		a.Status, a.PartySize, a.CheckedIn = m.Before.Status, m.Before.PartySize, m.Before.CheckedIn
	}
	a.ID, a.Last = m.RSVP.ID, last
	if m.RSVP.Status != m.Before.Status {
		a.Status = m.RSVP.Status
	}
	a.PartySize += m.RSVP.PartySize - m.Before.PartySize
	a.CheckedIn += m.RSVP.CheckedIn - m.Before.CheckedIn
}

// history tells what happened. With as_of (when it was true) or known_at (when
// it was recorded) it tells the state of the event at those times instead; with
// rsvp_id what became of one answer, or where it stood.
func (a *API) history(c *gin.Context) error {
	eventID := c.Param("id")
	if _, err := a.member(c, eventID, mayRead); err != nil {
		return err
	}
	if err := knownParams(c, "as_of", "known_at", "rsvp_id", "limit", "cursor"); err != nil {
		return err
	}
	asOf, err := queryTime(c, "as_of")
	if err != nil {
		return err
	}
	knownAt, err := queryTime(c, "known_at")
	if err != nil {
		return err
	}
	after, limit, err := page(c)
	if err != nil {
		return err
	}
	rsvpID := strings.ToLower(c.Query("rsvp_id"))
	if rsvpID != "" && !id.Valid(rsvpID) {
		return fault.ErrInvalid.About(fault.Field{Pointer: "rsvp_id", Detail: "is the id of an answer"})
	}
	if asOf != nil || knownAt != nil {
		return a.stateAt(c, eventID, rsvpID, asOf, knownAt)
	}
	messages, err := a.some(c.Request.Context(), eventID, rsvpID, after, limit+1)
	if err != nil {
		return err
	}
	var next *string
	if len(messages) > limit {
		messages = messages[:limit]
		cursor := strconv.FormatInt(messages[limit-1].Version, 10)
		next = &cursor
	}
	items := make([]logged, 0, len(messages))
	for i := range messages {
		item, err := show(&messages[i])
		if err != nil {
			return err
		}
		items = append(items, item)
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": next})
	return nil
}

// some gives the next messages of an event, or those about one answer of it.
func (a *API) some(ctx context.Context, eventID, rsvpID string, after int64, limit int) (found []contract.Envelope, err error) {
	if rsvpID == "" {
		return a.Store.History(ctx, eventID, after, limit)
	}
	err = a.eachMessage(ctx, eventID, after, func(m *contract.Envelope) error {
		about, err := isAbout(m, rsvpID)
		if about {
			found = append(found, *m)
		}
		if err == nil && len(found) == limit {
			err = errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

var errEnough = errors.New("enough")

// isAbout decodes only what names the answer at all.
func isAbout(m *contract.Envelope, rsvpID string) (bool, error) {
	if contract.AboutOf(m.Type) != contract.AboutRSVP || !bytes.Contains(m.Payload, []byte(rsvpID)) {
		return false, nil
	}
	r, err := m.RSVP()
	return r.RSVP.ID == rsvpID, err
}

func show(m *contract.Envelope) (logged, error) {
	out := logged{
		Version: m.Version, Type: m.Type, ValidAt: m.ValidAt, RecordedAt: m.RecordedAt, Actor: m.Actor, Reason: m.Reason,
		Hash: hex.EncodeToString(m.Chain),
	}
	if contract.AboutOf(m.Type) == contract.AboutEvent {
		e, err := m.Event()
		out.Data = e
		return out, err
	}
	r, err := m.RSVP()
	r.RSVP.Sealed = nil
	out.Data = r
	return out, err
}

// stateAt adds up the messages that were true and known by then. Each brings
// what it changed and no more: one that was recorded late (a scan of an offline
// device, an offer that ran out) carries counters of when it was recorded.
func (a *API) stateAt(c *gin.Context, eventID, rsvpID string, asOf, knownAt *time.Time) error {
	out := state{RSVPs: map[string]int{}}
	err := a.eachMessage(c.Request.Context(), eventID, 0, func(m *contract.Envelope) error {
		if asOf != nil && m.ValidAt.After(*asOf) || knownAt != nil && m.RecordedAt.After(*knownAt) {
			return nil
		}
		out.Version = m.Version
		if contract.AboutOf(m.Type) == contract.AboutEvent {
			e, err := m.Event()
			out.Event, out.Counters.Capacity = &e.Event, e.Counters.Capacity
			return err
		}
		r, err := m.RSVP()
		if err == nil && r.RSVP.ID == rsvpID {
			if out.RSVP == nil {
				out.RSVP = &answerThen{}
			}
			last, err := show(m)
			if err != nil {
				return err
			}
			out.RSVP.follow(&r, last)
		}
		rsvp.Move(&out.Counters, &r)
		out.RSVPs[r.Before.Status]--
		out.RSVPs[r.RSVP.Status]++
		return err
	})
	if err != nil {
		return err
	}
	if out.Version == 0 || rsvpID != "" && out.RSVP == nil {
		return errNotYet
	}
	maps.DeleteFunc(out.RSVPs, func(status string, n int) bool { return status == "" || n == 0 })
	c.JSON(http.StatusOK, out)
	return nil
}

// eachMessage reads an event's log behind a version to its end, in order.
func (a *API) eachMessage(ctx context.Context, eventID string, after int64, do func(*contract.Envelope) error) error {
	for {
		messages, err := a.Store.History(ctx, eventID, after, logPage)
		if err != nil || len(messages) == 0 {
			return err
		}
		for i := range messages {
			if err := do(&messages[i]); err != nil {
				return err
			}
		}
		after = messages[len(messages)-1].Version
	}
}

// knownParams refuses names that the route does not know: a misspelt one would
// answer something else than was asked for.
func knownParams(c *gin.Context, known ...string) error {
	var unknown []string
	for name := range c.Request.URL.Query() {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	var fields []fault.Field
	for _, name := range unknown {
		fields = append(fields, fault.Field{Pointer: name, Detail: "unknown parameter"})
	}
	if len(fields) > 0 {
		return fault.ErrInvalid.About(fields...)
	}
	return nil
}

func queryTime(c *gin.Context, name string) (*time.Time, error) {
	text, there := c.GetQuery(name)
	if !there {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, fault.ErrInvalid.About(fault.Field{Pointer: name, Detail: "wants RFC 3339 with an offset (a + is written %2B)"})
	}
	return &t, nil
}

// page reads limit (1–100, 20) and cursor.
func page(c *gin.Context) (after int64, limit int, err error) {
	limit = 20
	if text, there := c.GetQuery("limit"); there {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
			return 0, 0, fault.ErrInvalid.About(fault.Field{Pointer: "limit", Detail: "wants 1 to 100"})
		}
	}
	if text, there := c.GetQuery("cursor"); there {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			return 0, 0, fault.ErrInvalid.About(fault.Field{Pointer: "cursor", Detail: "is not one of ours"})
		}
	}
	return after, limit, nil
}

// validEvent is for public routes: a malformed id is an event that there is not.
func validEvent(c *gin.Context) (string, error) {
	eventID := c.Param("id")
	if !id.Valid(eventID) {
		return "", fault.ErrNotFound
	}
	return eventID, nil
}
