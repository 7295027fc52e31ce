package mail

import (
	"bytes"
	"errors"
	netmail "net/mail"
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
