package template

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/turnout-events/turnout/notifier/notice"
)

// The guests of an event get the same mail but for their name and their links. Running both layouts again for each of
// them was a sixth of the CPU of writing a reminder, so what they become is kept, with marks in the places of the
// lead, the heading and the links: a skeleton. What a layout makes of a value there is known without running it: texts
// are escaped as html/template does (escapes), and links with nothing to escape are as they are. Whatever else is in a
// view is the skeleton's key.

// maxSkeletons bounds the memory, to some MB: a skeleton is as large as a mail.
const maxSkeletons = 256

// skeletons is safe for concurrent use.
type skeletons struct {
	mu    sync.RWMutex
	known map[string]*skeleton
}

func (s *skeletons) get(key []byte) *skeleton {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known[string(key)]
}

func (s *skeletons) put(key []byte, one *skeleton) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxSkeletons {
		s.known = map[string]*skeleton{}
	}
	s.known[string(key)] = one
}

// skeleton is both parts, cut at their marks.
type skeleton struct{ text, html []piece }

// piece is text and the value behind it; value is -1 behind the last.
type piece struct {
	text  string
	value int
}

// slot is a place in a view whose value differs from guest to guest.
type slot struct {
	at   *string
	link bool
}

// slots gives a view's; false: it is one to lay out whole, for its links count or need escaping.
func (v *view) slots(into []slot) ([]slot, bool) {
	if v.Pixel != "" || v.Button != nil && v.Button.HTML != "" {
		return nil, false
	}
	into = append(into, slot{at: &v.Heading})
	for _, p := range v.Lead {
		if len(p) != 1 || p[0].URL != "" {
			return nil, false
		}
		into = append(into, slot{at: &p[0].Text})
	}
	if v.Button != nil {
		into = append(into, slot{&v.Button.URL, true})
	}
	for i := range v.More {
		into = append(into, slot{&v.More[i].URL, true})
	}
	if v.Unsubscribe != nil {
		into = append(into, slot{&v.Unsubscribe.URL, true})
	}
	for _, s := range into {
		if s.link && !plainLink(*s.at) || !s.link && !plainText(*s.at) {
			return nil, false
		}
	}
	return into, true
}

// plainLink tells that html/template writes a link as it is: RFC 3986's unreserved characters and few more.
func plainLink(s string) bool {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '/', c == ':', c == '?', c == '=':
		default:
			return false
		}
	}
	return true
}

// plainText tells that tidy leaves a text alone, whatever stands around it.
func plainText(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.Contains(s, "\n\n")
}

// escapes is what html/template makes of a text (htmlReplacementTable).
var escapes = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

// key is everything of a view but its slots, which hold nothing meanwhile.
func (v *view) key(b []byte) []byte {
	add := func(all ...string) {
		for _, s := range all {
			b = append(strconv.AppendInt(b, int64(len(s)), 10), ' ')
			b = append(b, s...)
		}
	}
	count := func(n int) { b = append(strconv.AppendInt(b, int64(n), 10), ';') }
	add(v.Language, v.Subject, v.Ticket, v.TicketHint, string(v.CID), v.Why, v.Primary, v.Background, v.Organizer)
	count(len(v.Lead))
	count(len(v.Notes))
	add(v.Notes...)
	count(len(v.Rows))
	for _, r := range v.Rows {
		add(r.Label, r.Value, r.Link, r.Was)
	}
	for _, l := range []*link{v.Button, v.Unsubscribe} {
		if l == nil {
			count(0)
			continue
		}
		count(1)
		add(l.Label)
	}
	count(len(v.More))
	for _, l := range v.More {
		add(l.Label)
	}
	return b
}

// mark stands for a value while a skeleton is made. A view that has it in its words is laid out whole.
const mark = "https://mark.invalid/"

// lay puts a view into both layouts.
func (w *Writer) lay(v *view, kind notice.Kind) (Mail, error) {
	slots, alike := v.slots(make([]slot, 0, 8))
	if !alike || kind.ForMembers() {
		return w.layWhole(v, kind)
	}
	key := v.key(make([]byte, 0, 1024))
	one := w.skeletons.get(key)
	if one == nil {
		if bytes.Contains(key, []byte(mark)) {
			return w.layWhole(v, kind)
		}
		var err error
		if one, err = w.skeleton(v, kind, slots); err != nil {
			return Mail{}, err
		}
		w.skeletons.put(key, one)
	}
	return Mail{Subject: v.Subject, Text: fillIn(one.text, slots, false), HTML: fillIn(one.html, slots, true)}, nil
}

// skeleton lays out a view with marks, and leaves it as it was.
func (w *Writer) skeleton(v *view, kind notice.Kind, slots []slot) (*skeleton, error) {
	values := make([]string, len(slots))
	for i, s := range slots {
		values[i], *s.at = *s.at, mark+strconv.Itoa(i)+"/"
	}
	m, err := w.layWhole(v, kind)
	for i, s := range slots {
		*s.at = values[i]
	}
	if err != nil {
		return nil, err
	}
	one := &skeleton{}
	if one.text, err = cut(m.Text, len(slots)); err != nil {
		return nil, err
	}
	one.html, err = cut(m.HTML, len(slots))
	return one, err
}

func cut(s string, slots int) ([]piece, error) {
	var out []piece
	for {
		before, behind, found := strings.Cut(s, mark)
		if !found {
			return append(out, piece{s, -1}), nil
		}
		number, rest, _ := strings.Cut(behind, "/")
		n, err := strconv.Atoi(number)
		if err != nil || n >= slots {
			return nil, fmt.Errorf("mark %q of a mail's skeleton", number)
		}
		out, s = append(out, piece{before, n}), rest
	}
}

func fillIn(pieces []piece, slots []slot, html bool) string {
	var b strings.Builder
	size := 256
	for _, p := range pieces {
		size += len(p.text)
		if p.value >= 0 {
			size += len(*slots[p.value].at)
		}
	}
	b.Grow(size)
	for _, p := range pieces {
		b.WriteString(p.text)
		if p.value < 0 {
			continue
		}
		if s := slots[p.value]; html && !s.link {
			_, _ = escapes.WriteString(&b, *s.at) // a builder takes everything
		} else {
			b.WriteString(*s.at)
		}
	}
	return b.String()
}

// layWhole runs both layouts.
func (w *Writer) layWhole(v *view, kind notice.Kind) (Mail, error) {
	var text, html bytes.Buffer
	if err := w.text.ExecuteTemplate(&text, "layout.txt", v); err != nil {
		return Mail{}, fmt.Errorf("text of %s: %w", kind, err)
	}
	if err := w.html.ExecuteTemplate(&html, "layout.html", v); err != nil {
		return Mail{}, fmt.Errorf("html of %s: %w", kind, err)
	}
	return Mail{Subject: v.Subject, Text: tidy(text.String()), HTML: html.String()}, nil
}
