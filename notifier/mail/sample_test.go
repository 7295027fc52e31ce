package mail

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// A test mail shows a code that no door takes, whatever its made-up guest is.
func TestATestMailCarriesNoTicket(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	picture := func(test bool, party int) []byte {
		d := goldenDelivery(notice.Confirmation, "en")
		d.Notice.Detail.Test, d.Guest.PartySize = test, party
		l, err := w.Letter(d, contract.Personal{Name: "Ada", Email: "ada@example.org"}, goldenNow)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`(?s)Content-Type: image/png.*?\r\n\r\n(.*?)\r\n--`).FindSubmatch(l.Raw)
		if m == nil {
			t.Fatalf("no picture in %.3000s", l.Raw)
		}
		return m[1]
	}
	if !bytes.Equal(picture(true, 1), picture(true, 1000)) {
		t.Error("the code of a test mail depends on its guest")
	}
	if bytes.Equal(picture(false, 1), picture(true, 1)) || bytes.Equal(picture(false, 1), picture(false, 2)) {
		t.Error("this tests nothing: pictures are equal")
	}
}
