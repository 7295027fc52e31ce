package mail

import (
	"bytes"
	"encoding/base64"
	"flag"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testWriter(t testing.TB) *Writer {
	t.Helper()
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	links, err := NewLinks(ring)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(Config{From: "Turnout <mail@turnout.example>"}, "https://turnout.example/", ring, links)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var goldenNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// goldenDelivery is a delivery of a kind with everything that the kind shows.
func goldenDelivery(kind notice.Kind, language string) *notice.Delivery {
	start := time.Date(2026, 5, 16, 17, 30, 0, 0, time.UTC)
	lat, lon := 50.979, 11.329
	d := &notice.Delivery{
		Notice: notice.Notice{
			ID: "0c5d1e2f-0000-8000-8000-00000000000a", Kind: kind, Channel: notice.ChannelMail,
			EventID: "01968f2e-7a00-7000-8000-000000000001", RSVPID: "01968f2e-7a00-7000-8000-000000000002",
		},
		Event: &notice.Event{ID: "01968f2e-7a00-7000-8000-000000000001", Known: true, Body: contract.Event{
			ID: "01968f2e-7a00-7000-8000-000000000001", Slug: "spring-concert", Status: contract.EventPublished,
			Title: "Spring concert & <supper>", Description: "Songs, then soup.", StartsAt: start, EndsAt: start.Add(150 * time.Minute),
			TimeZone: "Europe/Berlin", Sequence: 2,
			Venue: &contract.Venue{Name: "Town hall", Address: "Market 1", City: "Weimar", Country: "DE", Lat: &lat, Lon: &lon},
		}},
		Guest: &notice.Guest{
			RSVPID: "01968f2e-7a00-7000-8000-000000000002", EventID: "01968f2e-7a00-7000-8000-000000000001",
			Status: contract.StatusConfirmed, PartySize: 3, Locale: language, TimeZone: "Europe/Lisbon",
		},
		Organization: &notice.Organization{Body: contract.Organization{Name: "Choir of Weimar", Colors: &contract.Colors{Primary: "#7a1f3d"}}},
	}
	deadline := goldenNow.Add(26 * time.Hour)
	switch kind {
	case notice.Offer:
		d.Guest.Status, d.Notice.Detail.Deadline = contract.StatusOffered, &deadline
	case notice.PendingAddress:
		d.Guest.Status, d.Notice.Detail.Deadline = contract.StatusPending, &deadline
	case notice.PendingApproval:
		d.Guest.Status = contract.StatusPending
	case notice.Waitlisted:
		d.Guest.Status, d.Ahead = contract.StatusWaitlisted, 4
	case notice.Maybe:
		d.Guest.Status = contract.StatusMaybe
	case notice.Declined:
		d.Guest.Status = contract.StatusDeclined
	case notice.Cancelled, notice.Rejected:
		d.Guest.Status, d.Notice.Detail.By, d.Notice.Detail.Reason = contract.StatusCancelled, "member", "The stage became smaller."
	case notice.OfferExpired, notice.PendingExpired:
		d.Guest.Status = contract.StatusCancelled
	case notice.EventMoved:
		was := start.AddDate(0, 0, -7)
		d.Notice.Detail.WasStart, d.Notice.Detail.WasPlace = &was, "Old theatre, Weimar"
	case notice.EventCancelled:
		d.Event.Body.Status, d.Notice.Detail.Reason = contract.EventCancelled, "The singer is ill."
	case notice.Campaign:
		d.Notice.Detail.Subject = "{{.Name}}, bring a spoon to {{.City}}"
		d.Notice.Detail.Body = "There is soup{{if gt .PartySize 1}} for {{.PartySize}}{{end}}.\n\nMenu: https://soup.example/menu?a=1&b=2."
	case notice.Announcement:
		d.Notice.Detail.Subject, d.Notice.Detail.Body = "Bring a spoon", "There is soup.\n\nAnd bread."
	}
	return d
}

// Every kind in every language, as the guest gets it. Adding a case needs no
// Go: a new kind or language makes its files with -update.
func TestGoldenMails(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	for _, language := range template.Languages {
		for _, kind := range notice.Kinds {
			t.Run(language+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				d := goldenDelivery(kind, language)
				now := goldenNow
				if kind == notice.Reminder {
					now = d.Event.Body.StartsAt.Add(-24 * time.Hour)
				}
				l, err := w.Letter(d, contract.Personal{EmailHMAC: []byte{1, 2, 3}, Name: "Zoë O'Neil", Email: "zoe@example.org"}, now)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, filepath.Join("testdata", language, string(kind)+".txt"), flatten(t, l.Raw))
			})
		}
	}
}

// flatten makes a message readable and stable: boundaries are random, so the
// parts stand one after the other, decoded.
func flatten(t *testing.T, raw []byte) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range []string{"From", "To", "Subject", "Date", "Message-Id", "References", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted"} {
		if v := m.Header.Get(name); v != "" {
			plain, err := (&mime.WordDecoder{}).DecodeHeader(v)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(name + ": " + plain + "\n")
		}
	}
	flattenPart(t, &b, m.Header.Get, m.Body)
	return b.String()
}

func flattenPart(t *testing.T, b *strings.Builder, header func(string) string, body io.Reader) {
	t.Helper()
	media, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		t.Fatalf("%q: %v", header("Content-Type"), err)
	}
	if strings.HasPrefix(media, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			flattenPart(t, b, p.Header.Get, p)
		}
	}
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n---- " + media)
	for _, name := range []string{"method", "charset", "name"} {
		if v := params[name]; v != "" {
			b.WriteString("; " + name + "=" + v)
		}
	}
	if v := header("Content-Id"); v != "" {
		b.WriteString("; id=" + v)
	}
	b.WriteString(" ----\n")
	if media == "image/png" {
		img, err := png.DecodeConfig(bytes.NewReader(content))
		if err != nil || img.Width < 150 || img.Width != img.Height {
			t.Errorf("ticket: %+v, %v", img, err)
		}
		b.WriteString("(a picture)\n")
		return
	}
	b.WriteString(strings.ReplaceAll(string(content), "\r\n", "\n"))
}

func compare(t *testing.T, path, got string) {
	t.Helper()
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
		t.Fatalf("%v (make it with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; now:\n%s", path, got)
	}
}
