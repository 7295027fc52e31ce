package mail

import (
	"bytes"
	"errors"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Whatever people call themselves, their mail goes, and to nobody else.
func TestNamesNeverBreakAnAddress(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	for _, name := range []string{
		`The "Blue Note" Club`, `back\slash\`, `a, b; c: <d@example.org>`, `x" <eve@example.org> (`, `"`, "Ünïcødé \"名\"", "",
	} {
		d := goldenDelivery(notice.Confirmation, "en")
		d.Organization.Body.Name = name
		letter, err := w.Letter(d, contract.Personal{Name: name, Email: "ada@example.org"}, goldenNow)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		m, err := netmail.ReadMessage(bytes.NewReader(letter.Raw))
		if err != nil {
			t.Fatal(err)
		}
		from, err := m.Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Address != "mail@turnout.example" || name != "" && from[0].Name != name {
			t.Errorf("%q: From is %v, %v", name, from, err)
		}
		to, err := m.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != "ada@example.org" || to[0].Name != name || letter.To != "ada@example.org" {
			t.Errorf("%q: To is %v, %v", name, to, err)
		}
	}
}

// What would break the commands of SMTP is never handed to a server.
func TestNoMailToAnAddressInQuotes(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	for _, address := range []string{`"a b"@example.org`, `"x> NOTIFY=NEVER"@example.org`, "a b@example.org", `"x\"y"@example.org`, ""} {
		_, err := w.Letter(goldenDelivery(notice.Confirmation, "en"), contract.Personal{Name: "Ada", Email: address}, goldenNow)
		var impossible *notice.Impossible
		if !errors.As(err, &impossible) || impossible.Reason != NoAddress {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A domain in letters of its own goes as A-labels, which every server knows; letters before the @ take one with SMTPUTF8,
// and nobody else is told of that extension.
func TestInternationalAddresses(t *testing.T) {
	t.Parallel()
	const plain, utf8 = "250-here\r\n250 PIPELINING", "250-here\r\n250-SMTPUTF8\r\n250 PIPELINING"
	for _, c := range []struct{ email, ehlo, to, refused string }{
		{"anna@müller.example", plain, "anna@xn--mller-kva.example", ""},
		{"anna@müller.example", utf8, "anna@xn--mller-kva.example", ""},
		{"Ada@Example.ORG", plain, "Ada@Example.ORG", ""},
		{"änna@müller.example", utf8, "änna@xn--mller-kva.example", ""},
		{"änna@müller.example", plain, "", noInternational},
	} {
		took := make(chan string, 100)
		s := script(t, true, map[string][]string{"EHLO": {c.ehlo}}, took)
		channel := testChannel(t, Config{SMTPAddr: s.Name()})
		d := goldenDelivery(notice.Confirmation, "en")
		err := channel.Deliver(t.Context(), d, contract.Personal{Name: "Anna", Email: c.email}, goldenNow)
		var refusal *notice.Refusal
		if errors.As(err, &refusal); err != nil && (refusal == nil || !refusal.Permanent || refusal.Words != c.refused) || err == nil && c.refused != "" {
			t.Fatalf("%s: %v", c.email, err)
		}
		lines := said(took)
		if c.refused != "" {
			if lines != "" {
				t.Errorf("%s: said %q", c.email, lines)
			}
			continue
		}
		envelope := "MAIL FROM:<mail@turnout.example>"
		if !ascii(c.to) {
			envelope += " SMTPUTF8"
		}
		envelope += " | RCPT TO:<" + c.to + "> | DATA | message "
		header, found := strings.CutPrefix(lines, envelope)
		if !found {
			t.Fatalf("%s: said %q", c.email, lines[:min(len(lines), 200)])
		}
		m, err := netmail.ReadMessage(strings.NewReader(header))
		if err != nil {
			t.Fatal(err)
		}
		if to, err := m.Header.AddressList("To"); err != nil || to[0].Address != c.to {
			t.Errorf("%s: To is %v, %v", c.email, to, err)
		}
	}
}
