package rsvp

import (
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// ValidateAnswers checks a guest's answers, in clear, against the event's
// questions; the caller does it before it seals them. Required ones are
// required of those who are going. Nil means all is well; pointers are like
// /answers/diet.
func ValidateAnswers(e *contract.Event, response string, answers map[string]contract.Answer) []fault.Field {
	return nil
}

// ValidateGuest checks what a guest says of themselves, in clear: name, locale
// (BCP 47), time zone (IANA); empty locale and zone are fine.
func ValidateGuest(name, locale, timeZone string) []fault.Field {
	return nil
}
