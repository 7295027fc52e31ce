package mail

import (
	"net/url"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// memberMessage writes a mail to a member: no calendar, no ticket, no link that
// acts for anybody but the one that stops this kind of mail.
func (w *Writer) memberMessage(d *notice.Delivery, p contract.Personal, now time.Time) (*gomail.Msg, error) {
	off := w.base + "/u/" + w.links.MemberOff(d.Member.OrganizationID, d.Member.AccountID, d.Notice.Kind)
	words, err := w.members.Write(template.MemberContent{
		Delivery: d, Name: p.Name, Unsubscribe: off,
		Page: func(slug string) string { return w.base + "/e/" + url.PathEscape(slug) },
	})
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := w.address(m, d, p); err != nil {
		return nil, err
	}
	m.Subject(words.Subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(w.MessageID(d.Notice.ID))
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Turnout-Notification", d.Notice.ID)
	m.SetListUnsubscribe(off)
	m.SetListUnsubscribePost()
	m.SetBodyString(gomail.TypeTextPlain, words.Text, unbuffered)
	m.AddAlternativeString(gomail.TypeTextHTML, words.HTML, unbuffered)
	return m, nil
}
