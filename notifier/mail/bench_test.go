package mail

import (
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// BenchmarkMessage writes a reminder with its ticket: what each mail costs
// before a server is asked.
func BenchmarkMessage(b *testing.B) {
	w := testWriter(b)
	d := goldenDelivery(notice.Reminder, "en")
	for b.Loop() {
		l, err := w.Letter(d, contract.Personal{Name: "Zoë", Email: "zoe@example.org"}, goldenNow)
		if err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
}
