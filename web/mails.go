package web

import (
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
)

// mailLog is what was sent to whom, when and why: newest plan first.
type mailLog struct {
	Items      []mailView `json:"items"`
	NextCursor *string    `json:"next_cursor"`
	Next       string     `json:"-"`
	Nameless   bool       `json:"-"` // the keys that open names are away for the moment
}

type mailView struct {
	ID        string     `json:"id"`
	RSVPID    string     `json:"rsvp_id"`
	Name      string     `json:"name"`
	Email     string     `json:"email"`
	Kind      string     `json:"kind"`
	Channel   string     `json:"channel"`
	Status    string     `json:"state"`
	Reason    string     `json:"reason"`
	PlannedAt time.Time  `json:"planned_at"`
	DueAt     time.Time  `json:"due_at"`
	SentAt    *time.Time `json:"sent_at"`
	Outcome   string     `json:"outcome"`
	Attempts  int        `json:"attempts"`
}

func (p *pages) mailLog(c *gin.Context, event string, filter url.Values, cursor string) (mailLog, error) {
	q := maps.Clone(filter)
	q.Set("limit", "50")
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var log mailLog
	h, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.notifier+"/v1/events/"+event+"/notifications?"+q.Encode(), nil, &log, by(c))
	log.Nameless = h.Get("Turnout-Degraded") != ""
	return log, err
}

// To is who it went to.
func (m mailView) To() string {
	switch {
	case m.Name != "":
		return m.Name
	case m.RSVPID != "":
		return "A guest"
	}
	return "A member"
}

// What it told.
func (m mailView) What() string {
	said := mailKind(m.Kind)
	if m.Channel == "push" {
		said += ", on a device"
	}
	return said
}

var mailKinds = map[string]string{
	"confirmation": "You are going", "waitlisted": "On the waitlist", "promoted": "A seat after all", "offer": "A seat is held", "offer_expired": "The offer ran out",
	"maybe": "You said maybe", "declined": "You are not coming", "changed": "Your answer was changed", "cancelled": "Your answer was cancelled",
	"rejected": "Not approved", "pending_address": "Confirm your address", "pending_approval": "Waits for approval", "pending_expired": "Not confirmed in time",
	"manage_link": "Your link", "reminder": "Reminder", "thank_you": "Thank you", "event_moved": "The event was moved", "event_changed": "The event was changed",
	"event_cancelled": "The event was cancelled", "announcement": "Announcement", "campaign": "Campaign",
	"event_full": "The event is full", "digest": "What is new",
}

func mailKind(kind string) string {
	if said := mailKinds[kind]; said != "" {
		return said
	}
	return readable(kind)
}

var mailStates = map[string]string{
	"planned": "Waits", "claimed": "Being sent", "sent": "Sent", "delivered": "Delivered", "bounced": "Came back", "failed": "Will be tried again",
	"dead": "Given up", "void": "Not sent",
}

// State is what became of it.
func (m mailView) State() string {
	if m.Status == "void" && m.Outcome == "event-moved" {
		return "Planned anew"
	}
	return mailState(m.Status)
}

func mailState(state string) string {
	if said := mailStates[state]; said != "" {
		return said
	}
	return readable(state)
}

// Why it was planned, and what came of it where the state does not say.
func (m mailView) Why() string {
	said := readable(m.Reason)
	if m.Outcome != "" && m.Outcome != "accepted" {
		said += "; " + readable(m.Outcome)
	}
	if m.Attempts > 1 {
		said += "; " + counted(m.Attempts, "attempt")
	}
	return said
}

// At is when it went; else when it is due.
func (m mailView) At() time.Time {
	if m.SentAt != nil {
		return *m.SentAt
	}
	return m.DueAt
}
