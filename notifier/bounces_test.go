package notifier

import (
	"context"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/bounce"
)

// A mail system returns what it could not deliver, to the address that the
// envelope named; nothing goes to that guest any more.
// A report about mail that never went is a lie, whoever brings it.
func TestNobodyBouncesWhatWasNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.settle()
	var waits string
	if err := w.pool.QueryRow(t.Context(), `SELECT id FROM notifier.notification WHERE rsvp_id = $1 AND state = 'planned' LIMIT 1`, w.guests["ana"].ID).Scan(&waits); err != nil {
		t.Fatal(err)
	}
	if known, err := w.n.api.TakeReport(t.Context(), bounce.Report{NoticeID: waits, Kind: bounce.Hard, Code: "5.1.1"}); known || err != nil {
		t.Errorf("taken: %v, %v", known, err)
	}
	w.after(24 * 14 * time.Hour)
	w.settle()
	if got := w.states("ana"); got["reminder sent"] == 0 {
		t.Errorf("%v", got)
	}
}

func TestABounceComesBackByMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.Mail.Bounces = "bounces@turnout.example"
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	w.ledger.reset()
	addr := make(chan string, 1)
	box := &bounce.Mailbox{Addr: "127.0.0.1:0", Notice: w.n.api.Links.Returned, Take: w.n.api.TakeReport, Log: testkit.Logger(t), Listening: func(a string) { addr <- a }}
	run(t, func(ctx context.Context) error { return box.Run(ctx) })
	at := <-addr
	var sent string
	if err := w.pool.QueryRow(t.Context(), `SELECT id FROM notifier.notification WHERE rsvp_id = $1 AND state = 'sent'`, w.guests["ana"].ID).Scan(&sent); err != nil {
		t.Fatal(err)
	}
	report := strings.ReplaceAll(`From: MAILER-DAEMON@mx.example
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ana@example.org
Action: failed
Status: 5.1.1
--b--
`, "\n", "\r\n")
	back := w.n.api.Links.BounceAddress("bounces@turnout.example", sent)
	other := w.n.api.Links.BounceAddress("bounces@turnout.example", newID(t))
	for _, forged := range []string{
		"bounces@turnout.example",
		"bounces+" + sent + "@turnout.example", // members see the id
		"bounces+" + sent + other[strings.LastIndexByte(other, '-'):],
		"someone@elsewhere.example",
	} {
		if err := smtp.SendMail(at, nil, "", []string{forged}, []byte(report)); err == nil {
			t.Errorf("a report to %s was taken", forged)
		}
	}
	back = strings.ToUpper(back[:strings.IndexByte(back, '@')]) + back[strings.IndexByte(back, '@'):]
	if err := smtp.SendMail(at, nil, "", []string{back}, []byte("Subject: I am away\r\n\r\nUntil Monday.")); err != nil {
		t.Errorf("a holiday note: %v", err)
	}
	if got := w.states("ana"); got["confirmation sent"] != 1 {
		t.Errorf("after a holiday note: %v", got)
	}
	for range 2 { // the other side did not see our answer, and sends again
		if err := smtp.SendMail(at, nil, "", []string{back}, []byte(report)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.states("ana"); got["confirmation bounced"] != 1 {
		t.Errorf("%v", got)
	}
	w.hear(w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	w.settle()
	w.expect("ana")
	w.expect("bo", "Cancelled: Spring concert")
}
