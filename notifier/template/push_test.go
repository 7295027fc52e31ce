package template_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s\nexpected:\n%s", path, got, want)
	}
}

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func concert() *notice.Event {
	start := time.Date(2026, 5, 2, 17, 30, 0, 0, time.UTC)
	return &notice.Event{ID: "01968f2e-7a00-7000-8000-000000000001", Known: true, Body: contract.Event{
		ID: "01968f2e-7a00-7000-8000-000000000001", Slug: "spring-concert", Status: contract.EventPublished, Title: "Spring concert & <supper>",
		StartsAt: start, EndsAt: start.Add(150 * time.Minute), TimeZone: "Europe/Berlin",
	}}
}

func TestPushesInEveryLanguage(t *testing.T) {
	t.Parallel()
	s, err := template.NewShort()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range template.Languages {
		var b strings.Builder
		for _, kind := range notice.PushKinds {
			deadline := now.Add(26 * time.Hour)
			d := &notice.Delivery{Event: concert(), Guest: &notice.Guest{Locale: lang, TimeZone: "Europe/Lisbon"},
				Notice: notice.Notice{Kind: kind, Detail: notice.Detail{Deadline: &deadline}}}
			title, body, in, err := s.Write(d, now)
			if err != nil || in != lang {
				t.Fatalf("%s in %s: %s, %v", kind, lang, in, err)
			}
			_, _ = fmt.Fprintf(&b, "%s\n%s\n%s\n\n", kind, title, body)
		}
		golden(t, "push/"+lang+".txt", b.String())
	}
}

func TestAVeryLongTitleFitsIntoARecord(t *testing.T) {
	t.Parallel()
	s, err := template.NewShort()
	if err != nil {
		t.Fatal(err)
	}
	e := concert()
	e.Body.Title = strings.Repeat("𝄞", 5000)
	d := &notice.Delivery{Event: e, Guest: &notice.Guest{Locale: "xx"}, Notice: notice.Notice{Kind: notice.Reminder}}
	title, _, lang, err := s.Write(d, now)
	if err != nil || len(title) > 1000 || lang != "en" {
		t.Errorf("%d bytes in %s, %v", len(title), lang, err)
	}
}
