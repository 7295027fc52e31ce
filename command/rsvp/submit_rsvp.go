package rsvp

import "github.com/turnout-events/turnout/internal/contract"

// SubmitRSVP is a guest's first answer, or a guest whom a member adds. The
// caller has made RSVPID and a data key, has sealed contract.Personal with it
// and has checked the answers with ValidateAnswers.
//
// The same address again is ErrAlreadyAnswered (its cause is an *Answered),
// unless the answer it gave ran out of its pending time: then that answer is
// erased and this one takes its place.
type SubmitRSVP struct {
	RSVPID     string
	EmailHMAC  []byte // nil only for a guest without address whom a member adds
	WrappedKey []byte
	Sealed     []byte
	Response   string // going, maybe, not_going
	PartySize  int    // 0 means 1
	Locale     string
	TimeZone   string
	Consents   contract.Consents // At is set here
	Reminders  bool
}

// Needs of the command.
func (c *SubmitRSVP) Needs() Needs {
	return Needs{RSVPIDs: []string{c.RSVPID}, EmailHMACs: [][]byte{c.EmailHMAC}, Waiting: true}
}
