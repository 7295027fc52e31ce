package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/turnout-events/turnout/internal/contract"
)

// asked is a question with what was given to it, so that a form that is shown
// again loses nothing.
type asked struct {
	contract.Question
	Name  string // of its field
	given []string
}

func askedOf(questions []contract.Question, form url.Values) []asked {
	all := make([]asked, 0, len(questions))
	for _, q := range questions {
		name := "q_" + q.ID
		all = append(all, asked{Question: q, Name: name, given: form[name]})
	}
	return all
}

// mustAnswer are the questions without whose answers nobody is taken as going; at the door no others are asked.
func mustAnswer(questions []contract.Question) []asked {
	return askedOf(slices.DeleteFunc(slices.Clone(questions), func(q contract.Question) bool { return !q.Required }), nil)
}

// Text is what was typed.
func (a asked) Text() string {
	if len(a.given) == 0 {
		return ""
	}
	return a.given[0]
}

// Has tells whether an option was chosen.
func (a asked) Has(option string) bool { return slices.Contains(a.given, option) }

// asksAnswered tells whether a form holds an answer to any question.
func asksAnswered(form url.Values) bool {
	for name, given := range form {
		if strings.HasPrefix(name, "q_") && strings.TrimSpace(strings.Join(given, "")) != "" {
			return true
		}
	}
	return false
}

// trouble is a problem in the words of the form: fields by their labels, not
// by JSON pointers.
type trouble struct {
	Detail string
	Fields []troubleField
}

type troubleField struct{ Label, Detail string }

func troubleOf(p *problem, questions []contract.Question) *trouble {
	if p == nil {
		return nil
	}
	t := &trouble{Detail: p.Detail}
	for _, e := range p.Errors {
		t.Fields = append(t.Fields, troubleField{Label: fieldLabel(e.Pointer, questions), Detail: e.Detail})
	}
	if len(t.Fields) > 0 && p.Code == "invalid-input" {
		t.Detail = "Please look at this again:"
	}
	return t
}

// fieldLabel is what the form calls the field that a JSON pointer names.
func fieldLabel(pointer string, questions []contract.Question) string {
	if rest, ok := strings.CutPrefix(pointer, "/answers/"); ok {
		id, _, _ := strings.Cut(rest, "/")
		for _, q := range questions {
			if q.ID == id {
				return q.Label
			}
		}
	}
	switch pointer {
	case "/name":
		return "Name"
	case "/email":
		return "E-mail"
	case "/party_size":
		return "People"
	case "/response":
		return "Your answer"
	case "/rating":
		return "Rating"
	case "/comment":
		return "Comment"
	case "/reason":
		return "Reason"
	case "/subject":
		return "Subject"
	case "/body":
		return "Text"
	case "/to":
		return "To"
	case "/role":
		return "Role"
	case "/colors/primary":
		return "Main colour"
	case "/colors/background":
		return "Background colour"
	}
	return strings.TrimPrefix(pointer, "/")
}
