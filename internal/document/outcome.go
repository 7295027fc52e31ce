package document

import "time"

// Outcome is what became of a notification, as its last message told it.
// Nothing in it is personal.
type Outcome struct {
	ID             string     `json:"id"`
	Version        int64      `json:"version"` // grows with each outcome of the notification
	EventID        string     `json:"event_id"`
	OrganizationID string     `json:"organization_id"`
	RSVPID         string     `json:"rsvp_id,omitempty"`
	Kind           string     `json:"kind"`
	Channel        string     `json:"channel"`
	State          string     `json:"state"`
	Outcome        string     `json:"outcome,omitempty"`
	DueAt          time.Time  `json:"due_at"`
	FinishedAt     *time.Time `json:"finished_at,omitempty"`
}
