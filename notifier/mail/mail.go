// Package mail turns a delivery into a MIME message and hands it to an SMTP
// server over connections that stay open. It records nothing: what the server
// said goes back to the caller.
package mail

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// Writer makes messages. Safe for concurrent use.
type Writer struct {
	words    *template.Writer
	members  *template.Members
	manage   *token.Manager
	sessions *token.Sessions
	tickets  *token.Tickets
	draw     *pictures
	links    *Links
	base     string // the origin of the pages, without a slash at the end
	from     *netmail.Address
	bounces  string // where bounces go; empty: to from
	domain   string // of message ids
	signing  *signing
}

// NewWriter checks the settings. publicURL is the origin of the pages, as
// guests reach it.
func NewWriter(cfg Config, publicURL string, ring *seal.Keyring, links *Links) (*Writer, error) {
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail: TURNOUT_MAIL_FROM %q is not an address", cfg.From)
	}
	from.Address = onWireAddress(from.Address)
	w := &Writer{base: strings.TrimSuffix(publicURL, "/"), from: from, domain: domainOf(from.Address), links: links}
	if cfg.Bounces != "" {
		bounces, err := netmail.ParseAddress(cfg.Bounces)
		if err != nil {
			return nil, fmt.Errorf("mail: TURNOUT_MAIL_BOUNCES %q is not an address", cfg.Bounces)
		}
		if w.bounces = onWireAddress(bounces.Address); strings.LastIndexByte(w.bounces, '@') > maxBounceName {
			return nil, fmt.Errorf("mail: TURNOUT_MAIL_BOUNCES %q has more than %d characters before its @: no room to name a notification",
				cfg.Bounces, maxBounceName)
		}
	}
	if w.words, err = template.New(); err != nil {
		return nil, err
	}
	if w.members, err = template.NewMembers(w.words); err != nil {
		return nil, err
	}
	if w.manage, err = token.NewManager(ring); err != nil {
		return nil, err
	}
	if w.sessions, err = token.NewSessions(ring); err != nil {
		return nil, err
	}
	if w.tickets, err = token.NewTickets(ring); err != nil {
		return nil, err
	}
	if w.draw, err = newPictures(); err != nil {
		return nil, err
	}
	if w.signing, err = newSigning(cfg); err != nil {
		return nil, err
	}
	return w, nil
}

// unbuffered is quoted-printable (RFC 2045: in any case of letters) that go-mail writes where it belongs, as it does by
// default. What it has a name for it collects first, in memory that grows from nothing: a tenth of writing a mail.
var unbuffered = gomail.WithPartEncoding("Quoted-Printable")

// NoAddress is why a notice to a guest without a usable address is void.
const NoAddress = "no-address"

// buffers have room for a mail, and are used again: writing a mail and a copy of it into new ones was a third of what it
// allocates.
var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 14<<10)) }}

// Letter writes the letter of a delivery to the guest whose data are p, signed
// if mail is signed here. Release it when it is sent.
func (w *Writer) Letter(d *notice.Delivery, p contract.Personal, now time.Time) (*Letter, error) {
	m, err := w.message(d, p, now)
	if err != nil {
		return nil, err
	}
	raw, _ := buffers.Get().(*bytes.Buffer)
	raw.Reset()
	if _, err := m.WriteTo(raw); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	l := &Letter{From: w.from.Address, To: m.GetTo()[0].Address, Raw: raw.Bytes(), buffer: raw}
	if w.bounces != "" {
		l.From = w.links.BounceAddress(w.bounces, d.Notice.ID)
	}
	if w.signing != nil {
		if l.Raw, err = w.signing.sign(l.Raw); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// token is the guest's manage token. The mails that ask for the address, or
// bring a link that was asked for, carry one that proves it.
func (w *Writer) token(d *notice.Delivery) (string, error) {
	if d.Notice.Kind == notice.PendingAddress || d.Notice.Kind == notice.ManageLink {
		return w.manage.MakeMailed(d.Guest.RSVPID, d.Guest.Epoch)
	}
	return w.manage.Make(d.Guest.RSVPID, d.Guest.Epoch)
}

func (w *Writer) message(d *notice.Delivery, p contract.Personal, now time.Time) (*gomail.Msg, error) {
	if d.Notice.Kind.ForMembers() {
		return w.memberMessage(d, p, now)
	}
	manage, err := w.token(d)
	if err != nil {
		return nil, fmt.Errorf("manage token: %w", err)
	}
	content := template.Content{
		Delivery: d, Name: p.Name, Now: now,
		Manage: w.base + "/r/" + manage,
		Page:   w.base + "/e/" + d.Event.Body.Slug,
		Ticket: hasTicket(d),
	}
	if d.Notice.Kind == notice.PendingAddress {
		content.Manage += "?confirm=1"
	}
	if d.Notice.Kind == notice.ManageLink && len(p.EmailHMAC) > 0 {
		content.Answers = w.base + "/me?token=" + w.sessions.Link(p.EmailHMAC, now)
	}
	if d.Notice.Kind.Optional() {
		content.Unsubscribe = w.base + "/u/" + w.links.Unsubscribe(d.Guest.RSVPID)
	}
	w.track(&content)
	words, err := w.words.Write(content)
	if err != nil {
		return nil, err
	}
	if words.Fallback != "" {
		d.Remark = "built-in words: " + words.Fallback
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := w.address(m, d, p); err != nil {
		return nil, err
	}
	if d.Notice.Detail.Test {
		words.Subject = "[Test] " + words.Subject
	}
	m.Subject(words.Subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(w.MessageID(d.Notice.ID))
	w.thread(m, d)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday notes, please
	m.SetGenHeader("X-Turnout-Notification", d.Notice.ID)
	if content.Unsubscribe != "" {
		m.SetListUnsubscribe(content.Unsubscribe)
		m.SetListUnsubscribePost()
	}
	m.SetBodyString(gomail.TypeTextPlain, words.Text, unbuffered)
	m.AddAlternativeString(gomail.TypeTextHTML, words.HTML, unbuffered)
	if err := w.calendar(m, d, p, content.Manage, now); err != nil {
		return nil, err
	}
	if content.Ticket {
		if err := w.ticket(m, d); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// MessageID is derived from the notice: sent twice, it is the same message.
func (w *Writer) MessageID(noticeID string) string { return noticeID + "@" + w.domain }

// thread ties all mail about one answer together: their common ancestor is a
// message that was never sent, which RFC 5322 allows and mail programs follow.
func (w *Writer) thread(m *gomail.Msg, d *notice.Delivery) {
	root := "<thread." + d.Guest.RSVPID + "@" + w.domain + ">"
	m.SetGenHeader(gomail.HeaderReferences, root)
	m.SetGenHeader(gomail.HeaderInReplyTo, root)
}

func (w *Writer) address(m *gomail.Msg, d *notice.Delivery, p contract.Personal) error {
	name := w.from.Name
	if d.Organization != nil && d.Organization.Body.Name != "" {
		name = strings.Join(strings.Fields(d.Organization.Body.Name), " ")
	}
	// Not FromFormat and AddToFormat: they put quotes around a name without escaping those in it, so that a
	// quotation mark in an organization's name kept all of its mail from going.
	m.FromMailAddress(&netmail.Address{Name: name, Address: w.from.Address})
	to, err := netmail.ParseAddress(p.Email)
	if err != nil || strings.ContainsAny(p.Email, "\"\\()") { // in quotes, from before such were refused
		return &notice.Impossible{Reason: NoAddress} // the error names the address, which must not be logged
	}
	to.Address = onWireAddress(to.Address)
	to.Name = strings.Join(strings.Fields(p.Name), " ")
	m.ToMailAddress(to)
	return nil
}

// hasTicket: whoever has a seat shows a code at the door.
func hasTicket(d *notice.Delivery) bool {
	if d.Guest.Status != contract.StatusConfirmed || d.Event.Body.Status != contract.EventPublished {
		return false
	}
	switch d.Notice.Kind {
	case notice.Confirmation, notice.Promoted, notice.Changed, notice.Reminder, notice.EventMoved:
		return true
	default:
		return false
	}
}

// sampleTicket is in test mails: no door takes it.
const sampleTicket = "This is a sample. It is no ticket."

func (w *Writer) ticket(m *gomail.Msg, d *notice.Delivery) error {
	text := sampleTicket
	if !d.Notice.Detail.Test {
		var err error
		text, err = w.tickets.Sign(token.Ticket{
			EventID: d.Event.ID, RSVPID: d.Guest.RSVPID, Epoch: d.Guest.Epoch, PartySize: d.Guest.PartySize,
		})
		if err != nil {
			return fmt.Errorf("ticket: %w", err)
		}
	}
	picture, err := w.draw.png(text)
	if err != nil {
		return fmt.Errorf("ticket: %w", err)
	}
	m.EmbedReadSeeker(template.TicketCID, bytes.NewReader(picture),
		gomail.WithFileContentID(template.TicketCID), gomail.WithFileContentType("image/png"))
	return nil
}
