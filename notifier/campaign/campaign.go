// Package campaign holds the rules of what an organizer writes to a segment of
// guests: whom a segment means, which of the subjects each of them gets, how a
// campaign may move, and how its mail is spread over hours. The rules are pure;
// audience.go alone asks for keys.
package campaign

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Whose guests a segment is taken from.
const (
	// ScopeEvent: the event's own guests who agreed to updates.
	ScopeEvent = "event"
	// ScopeOrganization: guests of all events of the organization, drafts
	// apart, who agreed to marketing; one mail per person.
	ScopeOrganization = "organization"
)

// Segment says which guests a campaign is for. Zero fields do not narrow it.
type Segment struct {
	Scope    string `json:"scope"`
	Answer   string `json:"answer"`
	PartyMin int    `json:"party_min,omitempty"`
	PartyMax int    `json:"party_max,omitempty"`
	// Tag and City are of the event that the guest answered.
	Tag  string `json:"tag,omitempty"`
	City string `json:"city,omitempty"`
	// AttendedBefore: checked in at an event of the organization that started
	// before this one; false: never was.
	AttendedBefore *bool `json:"attended_before,omitempty"`
}

// answers are the states of an RSVP behind each answer. Nobody whose address
// is not confirmed is among them, and nobody who withdrew.
var answers = map[string][]string{
	"going":      {contract.StatusConfirmed},
	"maybe":      {contract.StatusMaybe},
	"waitlisted": {contract.StatusWaitlisted, contract.StatusOffered},
	"not_going":  {contract.StatusDeclined},
	"all": {contract.StatusConfirmed, contract.StatusMaybe, contract.StatusWaitlisted, contract.StatusOffered,
		contract.StatusDeclined},
}

// Statuses are the states of the RSVPs that the segment means.
func (s Segment) Statuses() []string { return answers[s.Answer] }

// NeedsIdentity tells whether it takes the guests' addresses to tell who is in.
func (s Segment) NeedsIdentity() bool {
	return s.Scope == ScopeOrganization || s.AttendedBefore != nil
}

// maxWord bounds a tag or a city, in runes.
const maxWord = 100

// Complete fills in what was left out: a tag or a city only make sense beyond
// one event.
func (s Segment) Complete() Segment {
	if s.Scope == "" {
		s.Scope = ScopeEvent
		if s.Tag != "" || s.City != "" {
			s.Scope = ScopeOrganization
		}
	}
	if s.Answer == "" {
		s.Answer = "all"
	}
	return s
}

// Check gives what is wrong with a completed segment.
func (s Segment) Check() (bad []fault.Field) {
	add := func(pointer, detail string) {
		bad = append(bad, fault.Field{Pointer: "/segment/" + pointer, Detail: detail})
	}
	if s.Scope != ScopeEvent && s.Scope != ScopeOrganization {
		add("scope", "wants event or organization")
	}
	if answers[s.Answer] == nil {
		add("answer", "wants going, maybe, waitlisted, not_going or all")
	}
	if s.PartyMin < 0 || s.PartyMin > maxParty {
		add("party_min", "wants 1 to 1000")
	}
	if s.PartyMax < 0 || s.PartyMax > maxParty || s.PartyMax > 0 && s.PartyMax < s.PartyMin {
		add("party_max", "wants 1 to 1000, and not less than party_min")
	}
	for pointer, word := range map[string]string{"tag": s.Tag, "city": s.City} {
		if utf8.RuneCountInString(word) > maxWord || word != "" && strings.TrimSpace(word) == "" {
			add(pointer, "wants 1 to 100 characters")
		}
	}
	return bad
}

const maxParty = 1000

// Variant is one of the subjects, with its share of the recipients in percent.
type Variant struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Share   int    `json:"share"`
}

// MaxVariants is how many subjects can be compared.
const MaxVariants = 4

// CheckVariants looks at the split; the subjects are checked as templates.
func CheckVariants(variants []Variant) (bad []fault.Field) {
	if len(variants) < 1 || len(variants) > MaxVariants {
		return []fault.Field{{Pointer: "/variants", Detail: fmt.Sprintf("wants 1 to %d", MaxVariants)}}
	}
	sum, names := 0, map[string]bool{}
	for i, v := range variants {
		if v.Share < 1 || v.Share > 100 {
			bad = append(bad, fault.Field{Pointer: fmt.Sprintf("/variants/%d/share", i), Detail: "wants 1 to 100 percent"})
		}
		if n := utf8.RuneCountInString(v.Name); strings.TrimSpace(v.Name) == "" || n > 20 || names[v.Name] || strings.ContainsFunc(v.Name, unicode.IsControl) {
			bad = append(bad, fault.Field{Pointer: fmt.Sprintf("/variants/%d/name", i), Detail: "wants a name of its own of 1 to 20 characters"})
		}
		names[v.Name] = true
		sum += v.Share
	}
	if len(bad) == 0 && sum != 100 {
		bad = append(bad, fault.Field{Pointer: "/variants", Detail: fmt.Sprintf("the shares make %d percent, not 100", sum)})
	}
	return bad
}

// Pick says which variant a guest gets: SHA-256 of campaign and RSVP, so that
// it is the same however often and wherever it is asked, and differs between
// campaigns.
func Pick(campaignID, rsvpID string, variants []Variant) int {
	sum := sha256.Sum256([]byte(campaignID + "/" + rsvpID))
	at := int(binary.BigEndian.Uint64(sum[:8]) % 100)
	for i, v := range variants {
		if at -= v.Share; at < 0 {
			return i
		}
	}
	return len(variants) - 1
}

// Expected is when the mail of the nth recipient (from 0) will go, if nothing
// else of the organization waits: perHour go at once, as many an hour later.
func Expected(start time.Time, n, perHour int) time.Time {
	return start.Add(time.Duration(n/perHour) * time.Hour)
}
