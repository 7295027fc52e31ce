package rsvp

import "github.com/turnout-events/turnout/internal/contract"

// ChangeRSVP changes what a guest answered; nil leaves a field as it is. A
// guest who withdrew or declined may come back by it, and queues anew.
type ChangeRSVP struct {
	RSVPID    string
	Response  *string
	PartySize *int
	Sealed    []byte
	Base      []byte // the RSVP.Sealed that Sealed was made from; another one by now is ErrStale
	Locale    *string
	TimeZone  *string
	Consents  *contract.Consents // At is set here
	Reminders *bool
}

// Needs of the command.
func (c *ChangeRSVP) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true} }
