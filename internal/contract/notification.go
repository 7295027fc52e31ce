package contract

import "time"

// Wire names of the messages about a notification: what became of it. One that
// still waits has no outcome.
const (
	NotificationSentV1      = "notification.sent.v1" // the mail server has it
	NotificationDeliveredV1 = "notification.delivered.v1"
	NotificationBouncedV1   = "notification.bounced.v1"
	NotificationDeadV1      = "notification.dead.v1"    // given up
	NotificationVoidV1      = "notification.void.v1"    // of no use any more
	NotificationRevivedV1   = "notification.revived.v1" // was given up, and is tried again
)

// NotificationMessage is the payload of every notification.* message. Its
// subject is the notification, its version counts the notification's outcomes.
type NotificationMessage struct {
	Notification Notification `json:"notification"`
}

// Notification is what became of something owed to a guest. It says nothing
// about who that is beyond ids, and quotes nothing that a mail server said but
// its codes.
type Notification struct {
	ID             string    `json:"id"`
	EventID        string    `json:"event_id"`
	OrganizationID string    `json:"organization_id"`
	RSVPID         string    `json:"rsvp_id,omitempty"`
	Kind           string    `json:"kind"`
	Channel        string    `json:"channel"`
	State          string    `json:"state"`
	Outcome        string    `json:"outcome,omitempty"` // why it is void, a refusal's codes
	Reason         string    `json:"reason"`            // why it was planned
	CauseType      string    `json:"cause_type"`
	CauseVersion   int64     `json:"cause_version"`
	Attempts       int       `json:"attempts"`
	DueAt          time.Time `json:"due_at"`
	// FinishedAt is when it was sent, given up or void; null once it is tried again.
	FinishedAt *time.Time `json:"finished_at"`
}
