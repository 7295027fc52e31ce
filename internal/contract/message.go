// Package contract is what travels between the roles: the messages on Kafka
// and the shapes inside them. A message is past tense with its intent; it
// carries the whole RSVP or the whole event plus the event's counters after
// the change, so a consumer sets and never adds.
//
// Wire names, headers and JSON names leave the process: renaming one replays
// the topic. Golden files under testdata pin them.
package contract

import (
	"fmt"
	"maps"
	"slices"
)

// Topics, without the namespace before them. "campaigns" is reserved (docs/adr/0012-campaigns-are-no-messages-yet.md).
const (
	TopicRegistrations = "registrations" // keyed by event id
	TopicOrganizations = "organizations" // keyed by organization id
	TopicNotifications = "notifications" // keyed by notification id
)

// OrganizationPartitions: few organizations change at a time.
const OrganizationPartitions = 3

// NotificationPartitions is fixed like RegistrationPartitions.
const NotificationPartitions = 3

// RegistrationPartitions is fixed: changing it in place would move keys
// between partitions and lose their order.
const RegistrationPartitions = 12

// Wire names of the messages about an event.
const (
	EventDraftedV1     = "event.drafted.v1"
	EventEditedV1      = "event.edited.v1"      // words, questions, policies
	EventRescheduledV1 = "event.rescheduled.v1" // time or place; Sequence has grown
	EventPublishedV1   = "event.published.v1"
	EventCancelledV1   = "event.cancelled.v1"
	CapacityChangedV1  = "event.capacity_changed.v1"
	CoverChangedV1     = "event.cover_changed.v1"
)

// Wire names of the messages about an RSVP.
const (
	RSVPRequestedV1   = "rsvp.requested.v1" // pending
	RSVPConfirmedV1   = "rsvp.confirmed.v1"
	RSVPWaitlistedV1  = "rsvp.waitlisted.v1"
	RSVPPromotedV1    = "rsvp.promoted.v1" // waitlisted → confirmed
	RSVPOfferedV1     = "rsvp.offered.v1"
	RSVPOfferLapsedV1 = "rsvp.offer_lapsed.v1" // offered → cancelled: declined or out of time
	RSVPMaybeV1       = "rsvp.maybe.v1"
	RSVPDeclinedV1    = "rsvp.declined.v1"
	RSVPCancelledV1   = "rsvp.cancelled.v1"
	RSVPChangedV1     = "rsvp.changed.v1" // same status; party, answers, consents
	RSVPExpiredV1     = "rsvp.expired.v1" // pending for 24 h
	RSVPRejectedV1    = "rsvp.rejected.v1"
	RSVPErasedV1      = "rsvp.erased.v1"
	CheckedInV1       = "rsvp.checked_in.v1"
	CheckInUndoneV1   = "rsvp.check_in_undone.v1"
	FeedbackGivenV1   = "rsvp.feedback_given.v1"
	LinkRequestedV1   = "rsvp.link_requested.v1" // the address answered again: its manage link is mailed
)

// Wire names of the messages about an organization.
const (
	OrganizationCreatedV1 = "organization.created.v1"
	OrganizationChangedV1 = "organization.changed.v1"
	MemberAddedV1         = "organization.member_added.v1"
	MemberRemovedV1       = "organization.member_removed.v1"
)

// EventMessage is the payload of every event.* message.
type EventMessage struct {
	Event    Event    `json:"event"`
	Counters Counters `json:"counters"`
}

// RSVPMessage is the payload of every rsvp.* message.
type RSVPMessage struct {
	RSVP     RSVP     `json:"rsvp"`
	Before   Change   `json:"before"`
	Counters Counters `json:"counters"`
	CheckIn  *CheckIn `json:"check_in,omitempty"`
}

// CheckIn is what happened at the door: People came in by it, or left by its
// undoing; Conflict names what an offline device could not know ("double",
// "cancelled").
type CheckIn struct {
	People   int    `json:"people"`
	Device   string `json:"device,omitempty"`
	Conflict string `json:"conflict,omitempty"`
}

// OrganizationMessage is the payload of every organization.* message.
type OrganizationMessage struct {
	Organization Organization `json:"organization"`
}

// About tells which payload a wire name has.
type About uint8

// What a message can be about.
const (
	AboutUnknown About = iota
	AboutEvent
	AboutRSVP
	AboutOrganization
	AboutNotification
)

var about = map[string]About{
	EventDraftedV1: AboutEvent, EventEditedV1: AboutEvent, EventRescheduledV1: AboutEvent,
	EventPublishedV1: AboutEvent, EventCancelledV1: AboutEvent, CapacityChangedV1: AboutEvent,
	CoverChangedV1: AboutEvent,

	RSVPRequestedV1: AboutRSVP, RSVPConfirmedV1: AboutRSVP, RSVPWaitlistedV1: AboutRSVP,
	RSVPPromotedV1: AboutRSVP, RSVPOfferedV1: AboutRSVP, RSVPOfferLapsedV1: AboutRSVP,
	RSVPMaybeV1: AboutRSVP, RSVPDeclinedV1: AboutRSVP, RSVPCancelledV1: AboutRSVP,
	RSVPChangedV1: AboutRSVP, RSVPExpiredV1: AboutRSVP, RSVPRejectedV1: AboutRSVP,
	RSVPErasedV1: AboutRSVP, CheckedInV1: AboutRSVP, CheckInUndoneV1: AboutRSVP,
	FeedbackGivenV1: AboutRSVP, LinkRequestedV1: AboutRSVP,

	OrganizationCreatedV1: AboutOrganization, OrganizationChangedV1: AboutOrganization,
	MemberAddedV1: AboutOrganization, MemberRemovedV1: AboutOrganization,

	NotificationSentV1: AboutNotification, NotificationDeliveredV1: AboutNotification,
	NotificationBouncedV1: AboutNotification, NotificationDeadV1: AboutNotification,
	NotificationVoidV1: AboutNotification, NotificationRevivedV1: AboutNotification,
}

// AboutOf is AboutUnknown for a name that this build does not know.
func AboutOf(wireName string) About { return about[wireName] }

// WireNames lists every name this build knows, sorted.
func WireNames() []string {
	return slices.Sorted(maps.Keys(about))
}

// Event reads the payload of an event.* message.
func (e *Envelope) Event() (EventMessage, error) {
	return payload[EventMessage](e, AboutEvent)
}

// RSVP reads the payload of an rsvp.* message.
func (e *Envelope) RSVP() (RSVPMessage, error) {
	return payload[RSVPMessage](e, AboutRSVP)
}

// Organization reads the payload of an organization.* message.
func (e *Envelope) Organization() (OrganizationMessage, error) {
	return payload[OrganizationMessage](e, AboutOrganization)
}

// Notification reads the payload of a notification.* message.
func (e *Envelope) Notification() (NotificationMessage, error) {
	return payload[NotificationMessage](e, AboutNotification)
}

// Counters reads only the counters: what a projector of seats needs of any
// message about an event, whatever else it is about.
func (e *Envelope) Counters() (Counters, error) {
	var body struct {
		Counters *Counters `json:"counters"`
	}
	if err := Read(e.Payload, &body); err != nil {
		return Counters{}, fmt.Errorf("counters of %s: %w", e.ID(), err)
	}
	if body.Counters == nil {
		return Counters{}, fmt.Errorf("counters of %s: %s carries none", e.ID(), e.Type)
	}
	return *body.Counters, nil
}

func payload[T any](e *Envelope, want About) (T, error) {
	var v T
	if AboutOf(e.Type) != want {
		return v, fmt.Errorf("payload of %s: %s is another kind of message", e.ID(), e.Type)
	}
	if err := Read(e.Payload, &v); err != nil {
		return v, fmt.Errorf("payload of %s (%s): %w", e.ID(), e.Type, err)
	}
	return v, nil
}
