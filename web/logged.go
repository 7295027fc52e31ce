package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

// loggedView is a message of the event's log: it names no guest.
type loggedView struct {
	Version    int64     `json:"version"`
	Type       string    `json:"type"`
	ValidAt    time.Time `json:"valid_at"`
	RecordedAt time.Time `json:"recorded_at"`
	Actor      string    `json:"actor"`
	Reason     string    `json:"reason"`
	Hash       string    `json:"hash"`
	Data       struct {
		Event    *momentView       `json:"event"`
		RSVP     contract.RSVP     `json:"rsvp"`
		Before   contract.Change   `json:"before"`
		CheckIn  *contract.CheckIn `json:"check_in"`
		Counters contract.Counters `json:"counters"`
	} `json:"data"`

	me    string            // the account of who reads
	names map[string]string // of accounts that the reader may know
}

// momentView is an event as it was then.
type momentView struct {
	Title    string    `json:"title"`
	Status   string    `json:"status"`
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at"`
	TimeZone string    `json:"time_zone"`
	Capacity *int      `json:"capacity"`
	Online   bool      `json:"online"`

	Venue *contract.Venue `json:"venue"`
}

type logView struct {
	Items      []loggedView `json:"items"`
	NextCursor *string      `json:"next_cursor"`
}

// logged reads a part of the log, oldest first, for a member of the organization. Owners read the others' names in it.
func (p *pages) logged(c *gin.Context, e eventView, o organizationView, q url.Values) (logView, error) {
	var v logView
	_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.command+"/v1/events/"+e.ID+"/history?"+q.Encode(), nil, &v, by(c))
	names := map[string]string{}
	if err == nil && o.Owns() && slices.ContainsFunc(v.Items, func(l loggedView) bool {
		return strings.HasPrefix(l.Actor, "member:") && l.Actor != "member:"+o.Me
	}) {
		members, _ := p.people(c, o.ID) // without them it is ids
		for _, m := range members {
			names[m.AccountID] = m.Name
		}
	}
	for i := range v.Items {
		v.Items[i].me, v.Items[i].names = o.Me, names
	}
	return v, err
}

// What happened, in words.
func (l loggedView) What() string {
	party, seats := "A party of "+strconv.Itoa(l.Data.RSVP.PartySize), "seats"
	if l.Data.RSVP.PartySize == 1 {
		party, seats = "One person", "a seat"
	}
	switch l.Type {
	case contract.EventDraftedV1:
		return "The event was drafted"
	case contract.EventEditedV1:
		return "The event was edited"
	case contract.EventRescheduledV1:
		if e := l.Data.Event; e != nil {
			return "Time or place was changed. Since then it is " + span(e.StartsAt, e.EndsAt, e.TimeZone) + ", " + place(eventView{Venue: e.Venue, Online: e.Online})
		}
		return "Time or place was changed"
	case contract.EventPublishedV1:
		return "The event was published"
	case contract.EventCancelledV1:
		return "The event was cancelled"
	case contract.CapacityChangedV1:
		return "The capacity is " + capacityWord(l.Data.Counters.Capacity)
	case contract.CoverChangedV1:
		return "The picture was changed"
	case contract.RSVPRequestedV1:
		return party + " asked for " + seats
	case contract.RSVPConfirmedV1:
		return party + " got " + seats
	case contract.RSVPWaitlistedV1:
		return party + " joined the waitlist"
	case contract.RSVPPromotedV1:
		return party + " moved up from the waitlist"
	case contract.RSVPOfferedV1:
		return party + " got an offer"
	case contract.RSVPOfferLapsedV1:
		return party + " did not take the offer"
	case contract.RSVPMaybeV1:
		return party + " may come"
	case contract.RSVPDeclinedV1:
		return party + " is not coming"
	case contract.RSVPCancelledV1:
		return "The answer of " + lowered(party) + " was cancelled"
	case contract.RSVPChangedV1:
		return l.changed()
	case contract.RSVPExpiredV1:
		return "The answer of " + lowered(party) + " was not confirmed in time"
	case contract.RSVPRejectedV1:
		return "The answer of " + lowered(party) + " was rejected"
	case contract.RSVPErasedV1:
		return "A guest's personal data were erased"
	case contract.CheckedInV1:
		return l.entered()
	case contract.CheckInUndoneV1:
		return "A check-in was taken back"
	case contract.FeedbackGivenV1:
		return "A guest rated the event: " + strconv.Itoa(l.Data.RSVP.Rating) + " of 5"
	case contract.LinkRequestedV1:
		return "A guest asked for the link again"
	}
	return readable(l.Type)
}

func lowered(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func (l loggedView) changed() string {
	now, before := l.Data.RSVP.PartySize, l.Data.Before.PartySize
	if now != before {
		return "A party changed from " + strconv.Itoa(before) + " to " + people(now)
	}
	return "An answer was changed"
}

func (l loggedView) entered() string {
	if l.Data.CheckIn == nil {
		return "A guest was checked in"
	}
	return scanned(l.Data.CheckIn.People, l.Data.CheckIn.Conflict) + onDevice(l.Data.CheckIn.Device)
}

// scanned is what a scan at the door says.
func scanned(let int, conflict string) string {
	switch {
	case conflict != "" && let > 0:
		return conflictWord(conflict) + " (" + people(let) + ")"
	case conflict != "":
		return conflictWord(conflict)
	}
	return people(let) + " came in"
}

// Who did it. The log knows accounts and answers by their ids.
func (l loggedView) Who() string {
	kind, id, _ := strings.Cut(l.Actor, ":")
	switch kind {
	case "guest":
		return "The guest"
	case "member":
		if id == l.me {
			return "You"
		}
		if name := l.names[id]; name != "" {
			return name
		}
		return "Member " + shortID(id)
	case "system":
		return "Turnout (" + readable(id) + ")"
	}
	return l.Actor
}

// Late tells whether it was written down well after it was true: a scan of a device that was offline, a time that ran out.
func (l loggedView) Late() bool { return l.RecordedAt.Sub(l.ValidAt) > time.Minute }

// shortID is the end of an id: ids of one day begin alike.
func shortID(id string) string { return "…" + id[max(0, len(id)-6):] }

func capacityWord(capacity *int) string {
	if capacity == nil {
		return "unlimited"
	}
	return counted(*capacity, "seat")
}
