package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

// What people outside write is read by these rules, and run against a map that
// holds plain values: there is no method to call, no loop, no other template,
// and nothing to reach but what is named here. Without loops the work is
// bounded by the text, and maxActions and maxWritten bound that.
const (
	maxActions = 200      // {{…}} in one text
	maxDepth   = 8        // of if within if, and of ( within (
	maxWritten = 64 << 10 // bytes that one text may become
)

// Phrases are a mail's own words: each replaces the built-in text unless it is
// empty. Body has paragraphs with empty lines between them.
type Phrases struct{ Subject, Intro, Body string }

// The longest that each may be, in runes.
const (
	MaxSubject = 200
	MaxIntro   = 300
	MaxBody    = 10_000
)

// Fields that own words may name, and what they are.
var Fields = []struct{ Name, Meaning string }{
	{"Title", "the event's title"},
	{"Name", "the guest's name"},
	{"Organizer", "the organization's name"},
	{"Starts", "start, in words and in the event's zone"},
	{"StartsIn", "time left until the start: 24 hours"},
	{"Place", "venue, address and city in one line"},
	{"City", "the venue's city"},
	{"PartySize", "people of the answer (number)"},
	{"Deadline", "until when an offer or an unconfirmed answer is kept; empty without one"},
	{"Position", "place on the waitlist (number, 1 is the next)"},
	{"ByOrganizer", "true when the organizer withdrew the answer (for if)"},
}

// Functions that own words may use. text/template's others can format to any
// width, call what they are given, or let markup through.
var Functions = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "upper", "lower"}

var functions = template.FuncMap{"upper": strings.ToUpper, "lower": strings.ToLower}

// Refused says what is wrong with a text; Field is subject, intro or body.
type Refused struct{ Field, Detail string }

func (r Refused) Error() string { return r.Field + ": " + r.Detail }

// CheckPhrases gives everything that is wrong with the words of a mail; nil: they can be
// written for every guest.
func CheckPhrases(p Phrases) []Refused {
	var bad []Refused
	for _, part := range p.parts() {
		if err := part.check(); err != nil {
			bad = append(bad, Refused{Field: part.name, Detail: err.Error()})
		}
	}
	return bad
}

type part struct {
	name, text string
	most       int // runes
	line       bool
}

func (p Phrases) parts() []part {
	return []part{{"subject", p.Subject, MaxSubject, true}, {"intro", p.Intro, MaxIntro, true}, {"body", p.Body, MaxBody, false}}
}

func (p part) check() error {
	switch {
	case p.text == "":
		return nil
	case !utf8.ValidString(p.text):
		return errors.New("is not UTF-8")
	case utf8.RuneCountInString(p.text) > p.most:
		return fmt.Errorf("wants at most %d characters", p.most)
	case strings.TrimSpace(p.text) == "":
		return errors.New("is blank: leave it out for the built-in text")
	case p.line && strings.ContainsFunc(p.text, breaksLine):
		return errors.New("wants one line")
	}
	whole, pipes, err := readPhrase(p.name, p.text)
	if err != nil {
		return err
	}
	// What parses can still compare a number with a text, also where no extreme leads: behind a condition, or an and.
	tried := []*template.Template{whole}
	for _, pipe := range pipes {
		alone, err := parsePhrase(p.name, "{{"+pipe.String()+"}}")
		if err != nil {
			return err
		}
		tried = append(tried, alone)
	}
	for _, t := range tried {
		for _, values := range extremes {
			if _, err := runPhrase(t, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// breaksLine tells what has no place in a header: control characters, what ends
// a line elsewhere, and embeddings, overrides and isolates (UAX #9), with which a
// line shows other text than its own.
func breaksLine(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// parsePhrase reads a text by the rules above.
func parsePhrase(name, text string) (*template.Template, error) {
	t, _, err := readPhrase(name, text)
	return t, err
}

// readPhrase also gives every expression in it.
func readPhrase(name, text string) (*template.Template, []*parse.PipeNode, error) {
	t, err := template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, nil, errors.New("line " + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), name+":"))
	}
	if len(t.Templates()) > 1 {
		return nil, nil, errors.New("define and block are not allowed")
	}
	c := checker{tree: t.Tree}
	if t.Tree != nil {
		if err := c.node(t.Root, 0); err != nil {
			return nil, nil, err
		}
	}
	return t, c.pipes, nil
}

// checker walks what was parsed and refuses what is not named there.
type checker struct {
	tree    *parse.Tree
	actions int
	pipes   []*parse.PipeNode
}

func (c *checker) refuse(n parse.Node, format string, args ...any) error {
	at, _ := c.tree.ErrorContext(n)
	_, at, _ = strings.Cut(at, ":") // the part's name stands before it
	return fmt.Errorf("line %s: %s", at, fmt.Sprintf(format, args...))
}

func (c *checker) node(n parse.Node, depth int) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := c.node(child, depth); err != nil {
				return err
			}
		}
		return nil
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return c.pipe(n.Pipe, depth)
	case *parse.IfNode:
		if depth >= maxDepth {
			return c.refuse(n, "more than %d conditions within each other", maxDepth)
		}
		for _, err := range []error{c.pipe(n.Pipe, depth), c.node(n.List, depth+1), c.node(n.ElseList, depth+1)} {
			if err != nil {
				return err
			}
		}
		return nil
	default:
		return c.refuse(n, "%s is not allowed here; there are fields, if, else, end and the functions %s", word(n), strings.Join(Functions, ", "))
	}
}

// word is what an action begins with, for the message.
func word(n parse.Node) string {
	w, _, _ := strings.Cut(strings.Trim(n.String(), "{}- "), " ")
	return strings.Trim(w, "{}")
}

func (c *checker) pipe(p *parse.PipeNode, depth int) error {
	if c.actions++; c.actions > maxActions {
		return c.refuse(p, "more than %d actions", maxActions)
	}
	if depth > maxDepth {
		return c.refuse(p, "more than %d brackets within each other", maxDepth)
	}
	if len(p.Decl) > 0 {
		return c.refuse(p, "variables are not allowed")
	}
	c.pipes = append(c.pipes, p)
	for _, command := range p.Cmds {
		for _, arg := range command.Args {
			if err := c.arg(arg, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) arg(n parse.Node, depth int) error {
	switch n := n.(type) {
	case *parse.FieldNode:
		if len(n.Ident) == 1 && knownField(n.Ident[0]) {
			return nil
		}
		return c.refuse(n, "unknown field %s; there are %s", n, fieldNames())
	case *parse.IdentifierNode:
		if slices.Contains(Functions, n.Ident) {
			return nil
		}
		return c.refuse(n, "the function %s is not allowed; there are %s", n.Ident, strings.Join(Functions, ", "))
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	case *parse.PipeNode:
		return c.pipe(n, depth+1)
	default:
		return c.refuse(n, "%s is not allowed here", n)
	}
}

func knownField(name string) bool {
	for _, f := range Fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func fieldNames() string {
	names := make([]string, len(Fields))
	for i, f := range Fields {
		names[i] = "." + f.Name
	}
	return strings.Join(names, ", ")
}

// runPhrase writes a checked text.
func runPhrase(t *template.Template, values map[string]any) (string, error) {
	w := &bounded{}
	if err := t.Execute(w, values); err != nil {
		var exec template.ExecError
		if errors.As(err, &exec) {
			err = exec.Err
		}
		return "", fmt.Errorf("cannot be written: %w", err)
	}
	return w.b.String(), nil
}

// bounded takes at most maxWritten bytes.
type bounded struct{ b strings.Builder }

var errTooLong = fmt.Errorf("becomes longer than %d bytes", maxWritten)

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > maxWritten {
		return 0, errTooLong
	}
	return w.b.Write(p)
}

// extremes are values with which a text is tried before it is taken: nothing
// set, and everything.
var extremes = []map[string]any{
	fields{}.values(),
	fields{Title: "T", Name: "N", Organizer: "O", Starts: "S", StartsIn: "I", Place: "P", City: "C", PartySize: 2, Deadline: "D",
		Position: 1, ByOrganizer: true}.values(),
}

func (f fields) values() map[string]any {
	return map[string]any{
		"Title": f.Title, "Name": f.Name, "Organizer": f.Organizer, "Starts": f.Starts, "StartsIn": f.StartsIn, "Place": f.Place,
		"City": f.City, "PartySize": f.PartySize, "Deadline": f.Deadline, "Position": f.Position, "ByOrganizer": f.ByOrganizer,
	}
}
