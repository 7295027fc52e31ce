package template

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Whatever a view holds, a mail from a skeleton is the one that the layouts write, and a guest's words stay with that guest.
func TestAMailFromASkeletonIsTheOneTheLayoutsWrite(t *testing.T) {
	t.Parallel()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"", "Zoë", "O'Neil + Söhne <b>&amp;</b> \"x\"", " spaced ", "two\nlines", "two\n\nparagraphs", "nul\x00", "\xff\xfe", "a=b`c`", "{{.Name}}",
		mark, mark + "0/", "https://mark.invalid/7/x", "javascript:alert(1)", "end\n", "\u2028", "<!-- -->", "</title>", "\U0001F389"}
	urls := []string{"https://turnout.example/r/AbC_-9", "http://127.0.0.1:8080/u/x", "https://turnout.example/r/x?confirm=1", "https://x.example/?a=1&b=2",
		"https://x.example/a+b%20c\"'", "javascript:alert(1)", "", "https://ü.example/", mark + "1/", "HTTPS://X.example", "/e/local"}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string { return texts[r.IntN(len(texts))] }
	plain := func() string { // often: what real mails have
		if r.IntN(3) > 0 {
			return fmt.Sprintf("Guest %d", r.IntN(1000))
		}
		return text()
	}
	url := func() string {
		if r.IntN(3) > 0 {
			return fmt.Sprintf("https://turnout.example/r/%d", r.IntN(1000))
		}
		return urls[r.IntN(len(urls))]
	}
	optional := func() *link {
		if r.IntN(3) == 0 {
			return nil
		}
		return &link{Label: []string{"Answer", text()}[r.IntN(2)], URL: url()}
	}
	for range 3000 {
		v := &view{Language: "en", Subject: "S", Heading: plain(), CID: "cid:ticket.png", Why: "why", Primary: "#3b49a6", Background: "#f4f4f7", Organizer: "O"}
		if r.IntN(8) == 0 {
			v.Subject, v.Organizer, v.Why, v.Pixel = text(), text(), text(), urls[r.IntN(2)]
		}
		for range r.IntN(3) {
			p := paragraph{{Text: plain()}}
			if r.IntN(10) == 0 {
				p = append(p, span{Text: text(), URL: url()})
			}
			v.Lead = append(v.Lead, p)
		}
		for range r.IntN(2) {
			v.Notes = append(v.Notes, text())
		}
		for range r.IntN(3) {
			v.Rows = append(v.Rows, row{Label: "When", Value: []string{"Friday", text()}[r.IntN(2)], Link: []string{"", url()}[r.IntN(2)], Was: []string{"", text()}[r.IntN(2)]})
		}
		if v.Button = optional(); v.Button != nil && r.IntN(10) == 0 {
			v.Button.HTML = url()
		}
		if l := optional(); l != nil {
			v.More = append(v.More, *l)
		}
		v.Unsubscribe = optional()
		if r.IntN(2) == 0 {
			v.Ticket, v.TicketHint = "Ticket", "Show it"
		}
		want, err := w.layWhole(v, notice.Reminder)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second finds what the first made
			got, err := w.lay(v, notice.Reminder)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("%+v:\n%s\nexpected:\n%s", v, got.Text+got.HTML, want.Text+want.HTML)
			}
		}
	}
	if n := len(w.skeletons.known); n == 0 || n > maxSkeletons {
		t.Errorf("%d skeletons are kept", n)
	}
}

// Two guests of an event share a skeleton, and what differs beside their names and links does not.
func TestAnEventsGuestsShareASkeleton(t *testing.T) {
	t.Parallel()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	lay := func(change func(*view)) {
		v := &view{Language: "en", Subject: "S", Heading: "H", Lead: []paragraph{{{Text: "Dear Zoë"}}}, Why: "why",
			Button: &link{Label: "Answer", URL: "https://turnout.example/r/1"}, Rows: []row{{Label: "When", Value: "Friday"}}}
		change(v)
		if _, err := w.lay(v, notice.Reminder); err != nil {
			t.Fatal(err)
		}
	}
	kept := []int{1, 1, 1, 2, 3, 4, 5}
	var got []int
	for _, change := range []func(*view){
		func(*view) {},
		func(v *view) { v.Lead[0][0].Text = "Dear Max" },
		func(v *view) { v.Button.URL = "https://turnout.example/r/2" },
		func(v *view) { v.Subject = "T" },
		func(v *view) { v.Rows[0].Value = "Saturday" },
		func(v *view) { v.Lead = append(v.Lead, paragraph{{Text: "More"}}) },
		func(v *view) { v.Language = "de" },
	} {
		lay(change)
		got = append(got, len(w.skeletons.known))
	}
	if !slices.Equal(got, kept) {
		t.Errorf("skeletons after each: %v, expected %v", got, kept)
	}
}
