package notifier

import (
	"context"
	"net/smtp"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/bounce"
)

// A mail system returns what it could not deliver, to the address that the
// envelope named; nothing goes to that guest any more.
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
	box := &bounce.Mailbox{Addr: "127.0.0.1:0", Take: w.n.api.TakeReport, Log: testkit.Logger(t), Listening: func(a string) { addr <- a }}
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
	back := "bounces+" + sent + "@turnout.example"
	if err := smtp.SendMail(at, nil, "", []string{"bounces@turnout.example"}, []byte(report)); err == nil {
		t.Error("mail to nobody was taken")
	}
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
