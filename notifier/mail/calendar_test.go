package mail

import (
	"strings"
	"testing"

	ics "github.com/arran4/golang-ical"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Whatever an organization is called, its name is one parameter (RFC 5545, 3.2): in quotes, and without escapes.
func TestTheOrganizersNameIsOneParameter(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	for name, want := range map[string]string{
		"Choir of Weimar":              "Choir of Weimar",
		"Chor: Weimar, Jena; O'Hara's": "Chor: Weimar, Jena; O'Hara's",
		`The "Blue Note" Club`:         "The 'Blue Note' Club",
		`back\slash`:                   `back\slash`,
		"bell\a":                       "bell",
		strings.Repeat("Größe, ", 30):  strings.TrimSpace(strings.Repeat("Größe, ", 30)),
	} {
		d := goldenDelivery(notice.Confirmation, "en")
		d.Organization.Body.Name = name
		text := w.invitation(d, contract.Personal{Name: "Ada", Email: "ada@example.org"}, "https://turnout.example/r/x",
			ics.MethodRequest, ics.ParticipationStatusAccepted, goldenNow)
		line := "\r\nORGANIZER;CN=\"" + want + "\":mailto:mail@turnout.example\r\n"
		if unfolded := strings.ReplaceAll(text, "\r\n ", ""); !strings.Contains(unfolded, line) {
			t.Errorf("%q lacks %q:\n%s", name, line, unfolded)
		}
		if _, err := ics.ParseCalendar(strings.NewReader(text)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
