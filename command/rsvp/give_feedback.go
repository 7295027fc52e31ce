package rsvp

// GiveFeedback is a guest's rating after the event; a later one replaces it.
type GiveFeedback struct {
	RSVPID string
	Rating int    // 1–5
	Sealed []byte // contract.Personal with the comment and the survey's answers
	Base   []byte // the RSVP.Sealed that Sealed was made from
}

// Needs of the command.
func (c *GiveFeedback) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }
