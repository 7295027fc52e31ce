package httpapi

import (
	"crypto/rand"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
)

const (
	maxReason  = 500  // characters
	maxComment = 2000 // characters
	maxDevice  = 64   // characters
)

// checkText refuses what is too long or holds control characters other than
// those of running text.
func checkText(pointer, s string, longest int) error {
	var detail string
	switch {
	case !utf8.ValidString(s):
		detail = "is not UTF-8"
	case utf8.RuneCountInString(s) > longest:
		detail = fmt.Sprintf("must have at most %d characters", longest)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }):
		detail = "must not contain control characters"
	default:
		return nil
	}
	return fault.ErrInvalid.About(fault.Field{Pointer: pointer, Detail: detail})
}

// newBirth makes the ids of a new event. The slug's end is random, so that
// nobody finds an unlisted event by its title.
func newBirth() (rsvp.Birth, error) {
	eventID, err := id.New()
	if err != nil {
		return rsvp.Birth{}, err
	}
	return rsvp.Birth{EventID: eventID, Suffix: strings.ToLower(rand.Text()[:10])}, nil
}
