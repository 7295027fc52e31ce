package rsvp

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// maxAnswer is in characters.
const maxAnswer = 2000

// ValidateAnswers checks a guest's answers, in clear, against the event's
// questions; the caller does it before it seals them. Required ones are
// required of those who are going. Nil means all is well; pointers are like
// /answers/diet.
func ValidateAnswers(e *contract.Event, response string, answers map[string]contract.Answer) []fault.Field {
	c := &checker{}
	known := make(map[string]bool, len(e.Questions))
	for _, q := range e.Questions {
		known[q.ID] = true
		at := "/answers/" + q.ID
		a := answers[q.ID]
		if missing(q, response, a) {
			c.bad(at, "is missing")
		}
		if len(a.Choices) == 0 && strings.TrimSpace(a.Text) == "" {
			continue // a form sends its empty fields too
		}
		c.answer(at, q, a)
	}
	unknown := make([]string, 0, len(answers))
	for id := range answers {
		if !known[id] {
			unknown = append(unknown, id)
		}
	}
	slices.Sort(unknown)
	for _, id := range unknown {
		if !plainID(id) {
			c.bad("/answers", "has an answer to no question")
			break
		}
		c.bad("/answers/"+id, "is no question of this event")
	}
	return c.fields
}

// asksStill refuses answers that were checked against another revision of the
// event: it may ask something else now.
func (b *Book) asksStill(checked int64) error {
	if checked != 0 && checked != b.Event.Revision {
		return ErrEventChanged
	}
	return nil
}

// MissingAnswers is what one who goes has not answered of what is required. What
// was answered before the questions changed holds nobody up.
func MissingAnswers(e *contract.Event, response string, answers map[string]contract.Answer) []fault.Field {
	c := &checker{}
	for _, q := range e.Questions {
		if missing(q, response, answers[q.ID]) {
			c.bad("/answers/"+q.ID, "is missing")
		}
	}
	return c.fields
}

func missing(q contract.Question, response string, a contract.Answer) bool {
	if !q.Required || response != contract.Going {
		return false
	}
	if q.Kind == contract.QuestionCheckbox {
		return len(a.Choices) == 0
	}
	return strings.TrimSpace(a.Text) == ""
}

func (c *checker) answer(at string, q contract.Question, a contract.Answer) {
	if q.Kind == contract.QuestionCheckbox {
		if a.Text != "" {
			c.bad(at, "is a list of options")
		}
		for i, choice := range a.Choices {
			if !slices.Contains(q.Options, choice) {
				c.bad(at, "has a choice that is not offered")
			}
			if slices.Contains(a.Choices[:i], choice) {
				c.bad(at, "has a choice twice")
			}
		}
		return
	}
	switch {
	case len(a.Choices) > 0:
		c.bad(at, "is a text")
	case q.Kind == contract.QuestionChoice && !slices.Contains(q.Options, a.Text):
		c.bad(at, "is one of the options")
	case q.Kind == contract.QuestionText:
		c.text(at, a.Text, 0, maxAnswer, manyLines)
	}
}

// ValidateGuest checks what a guest says of themselves, in clear: name, locale
// (BCP 47), time zone; empty locale and zone are fine. Of the zone it checks
// the shape only: every RSVP comes here, and loading a zone reads a file. Mail
// falls back to the event's zone.
func ValidateGuest(name, locale, timeZone string) []fault.Field {
	c := &checker{}
	c.text("/name", strings.TrimSpace(name), 1, 200, oneLine)
	if locale != "" && locale != "en" {
		if _, err := language.Parse(locale); err != nil || len(locale) > 35 {
			c.bad("/locale", "is a language tag, like de or pt-BR")
		}
	}
	if timeZone != "" && !zoneShape(timeZone) {
		c.bad("/time_zone", "is a name of the IANA time zone database, like Europe/Berlin")
	}
	return c.fields
}

func zoneShape(s string) bool {
	if len(s) > 64 || s == "Local" || s[0] == '/' {
		return false
	}
	for _, part := range strings.Split(s, "/") {
		if !plainID(strings.Map(func(r rune) rune {
			if r == '+' {
				return '-'
			}
			return r
		}, part)) {
			return false
		}
	}
	return true
}
