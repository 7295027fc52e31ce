package web

import (
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// guestView is an answer as members see it.
type guestView struct {
	ID               string                     `json:"id"`
	EventID          string                     `json:"event_id"`
	Status           string                     `json:"status"`
	Response         string                     `json:"response"`
	Name             string                     `json:"name"`
	Email            string                     `json:"email"`
	PartySize        int                        `json:"party_size"`
	Position         *int                       `json:"position"` // of one answer; the list has none
	Why              string                     `json:"why"`      // the same
	OfferExpiresAt   *time.Time                 `json:"offer_expires_at"`
	PendingExpiresAt *time.Time                 `json:"pending_expires_at"`
	AddressConfirmed bool                       `json:"address_confirmed"`
	Approved         bool                       `json:"approved"`
	WalkIn           bool                       `json:"walk_in"`
	CheckedIn        int                        `json:"checked_in"`
	CheckedInAt      *time.Time                 `json:"checked_in_at"`
	Conflicts        []contract.Scan            `json:"conflicts"`
	Answers          map[string]contract.Answer `json:"answers"`
	Locale           string                     `json:"locale"`
	TimeZone         string                     `json:"time_zone"`
	Consents         consents                   `json:"consents"`
	Notify           notify                     `json:"notify"`
	Rating           int                        `json:"rating"`
	Comment          string                     `json:"comment"`
	Erased           bool                       `json:"erased"`
	CreatedAt        time.Time                  `json:"created_at"`
	UpdatedAt        time.Time                  `json:"updated_at"`

	event eventView
}

// Called is what to call a guest whose name is not there.
func (g guestView) Called() string {
	switch {
	case g.Name != "":
		return g.Name
	case g.Erased:
		return "An erased guest"
	}
	return "A guest"
}

// State is the status in an organizer's words.
func (g guestView) State() string { return stateWord(g.Status) }

func stateWord(status string) string {
	switch status {
	case contract.StatusConfirmed:
		return "Going"
	case contract.StatusWaitlisted:
		return "On the waitlist"
	case contract.StatusOffered:
		return "Has an offer"
	case contract.StatusPending:
		return "Pending"
	case contract.StatusMaybe:
		return "Maybe"
	case contract.StatusDeclined:
		return "Not going"
	case contract.StatusCancelled:
		return "Cancelled"
	}
	return readable(status)
}

// Because says what a state waits for, or how it came about, where that is not plain.
func (g guestView) Because() string {
	until := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return ", until " + shortTime(*t, g.event.TimeZone)
	}
	addressDue := !g.AddressConfirmed && (g.event.ConfirmAddress || g.Approved || !g.event.Approval)
	switch g.Status {
	case contract.StatusPending:
		if addressDue {
			return "The address is not confirmed yet" + until(g.PendingExpiresAt)
		}
		return "Waits for your approval" + until(g.PendingExpiresAt)
	case contract.StatusOffered:
		return "Must accept" + until(g.OfferExpiresAt)
	case contract.StatusConfirmed:
		if g.WalkIn {
			return "Walked in"
		}
	case contract.StatusCancelled: // a time that is kept is one that ran out
		switch {
		case g.OfferExpiresAt != nil:
			return "The offer ran out"
		case g.PendingExpiresAt != nil && addressDue:
			return "The address was not confirmed in time"
		case g.PendingExpiresAt != nil:
			return "Was not approved in time"
		}
	}
	return ""
}

// What may be asked for. The API decides; a button that it would refuse is not shown.

// Judged tells whether approving it may help.
func (g guestView) Judged() bool {
	return g.Status == contract.StatusPending && !g.Approved && !g.Erased
}

// Rejectable tells whether it may still be rejected.
func (g guestView) Rejectable() bool { return g.Status == contract.StatusPending && !g.Erased }

// Stands tells whether there is an answer to change or to cancel.
func (g guestView) Stands() bool {
	return !g.Erased && g.Status != contract.StatusCancelled && g.Status != contract.StatusDeclined
}

// Cancels is the button's word.
func (g guestView) Cancels() string {
	if g.Status == contract.StatusConfirmed || g.Status == contract.StatusOffered {
		return "Cancel the seat"
	}
	return "Cancel the answer"
}

// Wrong are the scans at the door that could not be right, in words.
func (g guestView) Wrong() []string {
	var said []string
	for _, s := range g.Conflicts {
		if s.Conflict != "" {
			said = append(said, conflictWord(s.Conflict)+" ("+shortTime(s.At, g.event.TimeZone)+onDevice(s.Device)+")")
		}
	}
	return said
}

func onDevice(device string) string {
	if device == "" {
		return ""
	}
	return ", " + device
}

func conflictWord(conflict string) string {
	switch conflict {
	case contract.ConflictDouble:
		return "Let in more people than the party has"
	case contract.ConflictCancelled:
		return "Let in after the answer was cancelled"
	case contract.ConflictNotConfirmed:
		return "Let in without a seat"
	}
	return readable(conflict)
}

type given struct{ Label, Text string }

// Given are the answers in the order of the questions; those to questions that were taken out since come last.
func (g guestView) Given() []given {
	var all []given
	known := map[string]bool{}
	for _, q := range g.event.Questions {
		known[q.ID] = true
		if a, there := g.Answers[q.ID]; there {
			all = append(all, given{q.Label, answerText(a)})
		}
	}
	for _, id := range sortedKeys(g.Answers) {
		if !known[id] {
			all = append(all, given{readable(id), answerText(g.Answers[id])})
		}
	}
	return all
}

func answerText(a contract.Answer) string {
	if len(a.Choices) > 0 {
		return strings.Join(a.Choices, ", ")
	}
	return a.Text
}
