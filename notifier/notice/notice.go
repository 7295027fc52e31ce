// Package notice holds the words of the notifier: the kinds of notices, their
// lanes and states, and what is kept of events and guests to plan and to write
// them. It decides nothing.
package notice

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/contract"
)

// Kind says what a notice tells. Kinds are stored and shown by the API:
// renaming one makes its rows unreadable.
type Kind string

// The kinds.
const (
	Confirmation    Kind = "confirmation"
	Waitlisted      Kind = "waitlisted"
	Promoted        Kind = "promoted"
	Offer           Kind = "offer"
	OfferExpired    Kind = "offer_expired"
	Maybe           Kind = "maybe"
	Declined        Kind = "declined"
	Changed         Kind = "changed"
	Cancelled       Kind = "cancelled" // the guest's answer, by the guest or a member
	Rejected        Kind = "rejected"
	PendingAddress  Kind = "pending_address"
	PendingApproval Kind = "pending_approval"
	PendingExpired  Kind = "pending_expired"
	ManageLink      Kind = "manage_link"
	Reminder        Kind = "reminder"
	ThankYou        Kind = "thank_you"
	EventMoved      Kind = "event_moved"
	EventChanged    Kind = "event_changed"
	EventCancelled  Kind = "event_cancelled"
	Announcement    Kind = "announcement"
	Campaign        Kind = "campaign"
)

// Kinds are all of them, in the order in which a guest may meet them.
var Kinds = []Kind{
	PendingAddress, PendingApproval, PendingExpired, Confirmation, Waitlisted, Offer, OfferExpired, Promoted, Maybe,
	Declined, Changed, Cancelled, Rejected, ManageLink, EventChanged, EventMoved, EventCancelled, Announcement, Campaign, Reminder, ThankYou,
}

// AnswerKinds tell a guest where their answer stands; a later one makes an
// earlier one pointless.
var AnswerKinds = []Kind{
	Confirmation, Waitlisted, Promoted, Offer, OfferExpired, Maybe, Declined, Changed, Cancelled, Rejected,
	PendingAddress, PendingApproval, PendingExpired,
}

// TimedKinds wait for the event's time and are planned anew when it moves.
var TimedKinds = []Kind{Reminder, ThankYou}

// IsAnswer tells whether k is one of AnswerKinds.
func (k Kind) IsAnswer() bool {
	for _, a := range AnswerKinds {
		if a == k {
			return true
		}
	}
	return false
}

// Optional kinds stop when the guest unsubscribes; the others are about the
// guest's own answer or tell that a plan is void, and always go.
func (k Kind) Optional() bool {
	switch k {
	case Reminder, ThankYou, EventChanged, Announcement, Campaign:
		return true
	default:
		return false
	}
}

// Lane says what goes first. The numbers are stored; the order is that of Lanes.
type Lane int16

// The lanes.
const (
	LaneUrgent Lane = 0 // somebody may be on the way to the wrong place
	LaneAnswer Lane = 1 // somebody waits for it
	LaneTimed  Lane = 2
	LaneBulk   Lane = 3
	LaneAsked  Lane = 4 // somebody sits before an empty inbox, and cannot go on without it
)

// Lanes in the order of claiming: all that is due in one goes before the next.
var Lanes = []Lane{LaneUrgent, LaneAsked, LaneAnswer, LaneTimed, LaneBulk}

// LanesFirst are those with workers' room of their own: what fills LanesRest,
// though it be claimed already, does not hold them up.
var LanesFirst = Lanes[:3]

// LanesRest are the others.
var LanesRest = Lanes[3:]

// Before compares lanes in the order of claiming.
func (l Lane) Before(other Lane) int { return slices.Index(Lanes, l) - slices.Index(Lanes, other) }

// Lane of a kind.
func (k Kind) Lane() Lane {
	switch k {
	case EventFull:
		return LaneTimed
	case Digest:
		return LaneBulk
	case EventMoved, EventChanged, EventCancelled:
		return LaneUrgent
	case ManageLink:
		return LaneAsked
	case Reminder, ThankYou:
		return LaneTimed
	case Announcement, Campaign:
		return LaneBulk
	default:
		return LaneAnswer
	}
}

// Channels.
const (
	ChannelMail = "mail"
	ChannelPush = "push"
)

// State of a notice.
type State string

// The states. Planned and Failed wait for DueAt, Claimed is with a notifier
// until its lease ends, the others are final.
const (
	Planned   State = "planned"
	Claimed   State = "claimed"
	Sent      State = "sent"
	Delivered State = "delivered"
	Bounced   State = "bounced"
	Failed    State = "failed" // tried, and will be tried again
	Dead      State = "dead"
	Void      State = "void"
)

// Notice is something owed to a guest.
type Notice struct {
	ID             string
	EventID        string
	OrganizationID string
	RSVPID         string // empty: it is for a member
	AccountID      string // of that member
	Kind           Kind
	Channel        string
	Occurrence     string // tells apart notices of one kind to one guest
	DueAt          time.Time
	UsefulUntil    time.Time // zero: always
	Epoch          int       // of the event when it was planned
	State          State
	Reason         string // why it was planned
	CauseType      string // by which message
	CauseVersion   int64
	Detail         Detail
	PlannedAt      time.Time
	Outcome        string
	Attempts       int
	Refusals       int
	Fence          int64
	LeaseUntil     time.Time
	FinishedAt     time.Time
}

// Detail is what a notice needs to know of the moment it was planned at.
// Nothing in it is personal.
type Detail struct {
	Status    string     `json:"status,omitempty"`
	PartySize int        `json:"party_size,omitempty"`
	Deadline  *time.Time `json:"deadline,omitempty"` // of an offer or a pending answer
	By        string     `json:"by,omitempty"`       // guest, member or system
	Reason    string     `json:"reason,omitempty"`   // the organizer's words for it
	Offset    string     `json:"offset,omitempty"`   // of a reminder: "24h"
	WasStart  *time.Time `json:"was_start,omitempty"`
	WasPlace  string     `json:"was_place,omitempty"`
	WasTitle  string     `json:"was_title,omitempty"`
	// Announcement is the id of one; its words stand there, not in each row.
	Announcement string `json:"announcement,omitempty"`
	// Campaign is the id of one, and Variant which of its subjects the guest gets.
	Campaign string `json:"campaign,omitempty"`
	Variant  int    `json:"variant,omitempty"`
	// Subscription is the id of the device that a push goes to.
	Subscription string `json:"subscription,omitempty"`
	Subject      string `json:"-"`
	Body         string `json:"-"`
	// Statuses are those that the campaign or announcement is for; Withdrawn: it was cancelled; Marketing: it takes consent
	// to that, not to updates.
	Statuses  []string `json:"-"`
	Withdrawn bool     `json:"-"`
	Marketing bool     `json:"-"`
	// Test marks a mail that a member asked for: it goes to them, not to a guest.
	Test bool `json:"-"`
}

// Audiences are whom an announcement can go to, by the statuses of answers.
var Audiences = map[string][]string{
	"going":      {contract.StatusConfirmed},
	"maybe":      {contract.StatusMaybe},
	"waitlisted": {contract.StatusWaitlisted, contract.StatusOffered},
	"all":        {contract.StatusConfirmed, contract.StatusMaybe, contract.StatusWaitlisted, contract.StatusOffered, contract.StatusPending},
}

// AnnouncementOccurrence is the occurrence of all notices of an announcement.
func AnnouncementOccurrence(announcementID string) string { return "a/" + announcementID }

// CampaignOccurrence is the occurrence of all notices of a campaign.
func CampaignOccurrence(campaignID string) string { return "c/" + campaignID }

// ID derives the id of a notice, the same wherever and however often it is
// planned: SHA-256 of guest, kind, channel and occurrence, cut to 128 bits.
// pgstore computes the same in SQL when it plans for all guests at once.
func ID(rsvpID string, kind Kind, channel, occurrence string) string {
	sum := sha256.Sum256([]byte(rsvpID + "/" + string(kind) + "/" + channel + "/" + occurrence))
	return uuid.UUID(sum[:16]).String()
}

// Event is what is kept of an event.
type Event struct {
	ID             string
	OrganizationID string
	Version        int64
	Epoch          int
	CheckedIn      int
	MovedAt        time.Time
	Going          int // people, like Held and Waitlisted
	Held           int
	Waitlisted     int
	Full           bool
	Fillings       int       // how often members were told that it is full
	OpenSince      time.Time // when it was full last
	DigestAt       time.Time // of the last digest planned for its sake
	Known          bool      // false until a message about the event itself came
	Body           contract.Event
}

// Guest is what is kept of an RSVP.
type Guest struct {
	RSVPID         string
	EventID        string
	OrganizationID string
	Version        int64
	Status         string
	PartySize      int
	QueuedVersion  int64
	CheckedIn      int
	Epoch          int
	Locale         string
	TimeZone       string
	Updates        bool
	Marketing      bool
	Reminders      bool
	Erased         bool
	Sealed         []byte
	QuietUntil     time.Time
	Told           string
	DigestAt       time.Time // of the digest that tells of the last change; zero: none did
}

// Organization is how the sender of mail looks.
type Organization struct {
	ID      string
	Version int64
	Body    contract.Organization
}

// Delivery is a claimed notice with all that is needed to write it.
type Delivery struct {
	Notice       Notice
	Event        *Event
	Guest        *Guest        // nil: it is for a member
	Member       *Member       // nil: for a guest, or gone
	News         []News        // of a digest
	Organization *Organization // nil while unknown
	Ahead        int           // parties ahead on the waitlist
	Superseded   bool          // a later notice of its sort is due or sent
	Unsubscribed bool
	Suppressed   string // why nothing is mailed to the address at all
	// Wording is the organizer's own words for mails of this kind, by language.
	Wording map[string]Wording
	// Remark is what the channel has to say about a notice that it delivered.
	Remark string
	// Device is where a push goes; nil: there is none any more.
	Device *Device
}

// Wording replaces the built-in words of a mail; an empty part keeps them.
type Wording struct{ Subject, Intro, Body string }
