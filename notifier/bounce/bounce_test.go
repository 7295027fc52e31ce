package bounce

import (
	"errors"
	"strings"
	"testing"
)

const ours = "0c5d1e2f-0000-8000-8000-00000000000a"

func dsnMail(to, action, status, back string) string {
	return strings.ReplaceAll("From: MAILER-DAEMON@mx.example\nTo: "+to+`
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Your mail could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Fri, 1 May 2026 12:00:00 +0000

Final-Recipient: rfc822; zoe@example.org
Action: `+action+`
Status: `+status+`
Diagnostic-Code: smtp; 550 no such user
--b
Content-Type: text/rfc822-headers

`+back+`
--b--
`, "\n", "\r\n")
}

func TestDeliveryStatusNotifications(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, to, action, status, back string
		want                           Report
	}{
		{"found by the envelope", "bounces+" + ours + "@turnout.example", "failed", "5.1.1", "Subject: x", Report{ours, Hard, "5.1.1"}},
		{"found by the header", "bounces@turnout.example", "failed", "5.1.1", "X-Turnout-Notification: " + ours, Report{ours, Hard, "5.1.1"}},
		{"found by the message id", "bounces@turnout.example", "failed", "5.7.1", "Message-ID: <" + ours + "@turnout.example>", Report{ours, Hard, "5.7.1"}},
		{"a full mailbox is not for good", "bounces+" + ours + "@turnout.example", "failed", "5.2.2", "Subject: x", Report{ours, Soft, "5.2.2"}},
		{"nor what a server does not speak", "bounces+" + ours + "@turnout.example", "failed", "5.6.7", "Subject: x", Report{ours, Soft, "5.6.7"}},
		{"delayed", "bounces+" + ours + "@turnout.example", "delayed", "4.4.1", "Subject: x", Report{ours, Soft, "4.4.1"}},
		{"delivered", "bounces+" + ours + "@turnout.example", "delivered", "2.0.0", "Subject: x", Report{ours, Delivered, "2.0.0"}},
		{"about a stranger", "bounces@turnout.example", "failed", "5.1.1", "Subject: x", Report{"", Hard, "5.1.1"}},
	} {
		got, err := DSN([]byte(dsnMail(c.to, c.action, c.status, c.back)))
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for status, want := range map[string]string{
		"5.1.1 (bad mailbox)": "5.1.1", "5.1.1\x00": "5.1.1", "5" + strings.Repeat(".1", 100_000): "5.1.1", "\xff\xfe": "", "<b>no</b>": "", "5.12345.1": "",
	} {
		got, err := DSN([]byte(dsnMail("bounces+"+ours+"@turnout.example", "failed", status, "Subject: x")))
		if err == nil && got.Code != want || err != nil && !errors.Is(err, ErrUnknown) {
			t.Errorf("status %.20q: %q, %v", status, got.Code, err)
		}
	}
	many := strings.Replace(dsnMail("x", "failed", "5.1.1", "Subject: x"), "--b--", strings.Repeat("--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n", 20_000)+"--b--", 1)
	for _, bad := range []string{"", many, "Subject: I am away\r\n\r\nUntil Monday.", dsnMail("x", "mislaid", "5.0.0", "Subject: x")} {
		if _, err := DSN([]byte(bad)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func TestProviders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		provider, body string
		want           []Report
	}{
		{"ses", `{"Type":"Notification","Message":"{\"notificationType\":\"Bounce\",\"bounce\":{\"bounceType\":\"Permanent\",\"bouncedRecipients\":[{\"emailAddress\":\"z@example.org\",\"status\":\"5.1.1\"}]},\"mail\":{\"source\":\"bounces+` + ours + `@turnout.example\"}}"}`,
			[]Report{{ours, Hard, "5.1.1"}}},
		{"ses", `{"notificationType":"Bounce","bounce":{"bounceType":"Transient"},"mail":{"headers":[{"name":"X-Turnout-Notification","value":"` + ours + `"}]}}`,
			[]Report{{ours, Soft, "bounce transient"}}},
		{"ses", `{"eventType":"Complaint","mail":{"commonHeaders":{"messageId":"<` + ours + `@turnout.example>"}}}`, []Report{{ours, Complaint, "complaint"}}},
		{"ses", `{"Type":"SubscriptionConfirmation","Message":"hello"}`, nil},
		{"sendgrid", `[{"event":"bounce","type":"bounce","status":"5.1.1","smtp-id":"<` + ours + `@turnout.example>"},{"event":"open"},{"event":"spamreport","smtp-id":"` + ours + `"}]`,
			[]Report{{ours, Hard, "5.1.1"}, {ours, Complaint, "complaint"}}},
		{"sendgrid", `[{"event":"bounce","type":"blocked","status":"4.7.1","smtp-id":"<` + ours + `@x>"}]`, []Report{{ours, Soft, "4.7.1"}}},
		{"mailgun", `{"event-data":{"event":"failed","severity":"permanent","delivery-status":{"code":550,"enhanced-code":"5.1.1"},"message":{"headers":{"message-id":"` + ours + `@turnout.example"}}}}`,
			[]Report{{ours, Hard, "5.1.1"}}},
		{"mailgun", `{"event-data":{"event":"failed","severity":"temporary","delivery-status":{"code":421},"message":{"headers":{"message-id":"` + ours + `@x"}}}}`,
			[]Report{{ours, Soft, "421"}}},
		{"mailgun", `{"event-data":{"event":"delivered","message":{"headers":{"message-id":"` + ours + `@x"}}}}`, []Report{{ours, Delivered, ""}}},
		{"mailgun", `{"event-data":{"event":"opened"}}`, nil},
	} {
		got, err := Providers[c.provider]([]byte(c.body))
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%s %s: %+v, %v", c.provider, c.body, got, err)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v, expected %+v", c.provider, got[i], c.want[i])
			}
		}
	}
	for provider := range Providers {
		if _, err := Providers[provider]([]byte(`{"surprise"`)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s takes anything: %v", provider, err)
		}
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte(dsnMail("bounces+"+ours+"@turnout.example", "failed", "5.1.1", "Subject: x")))
	f.Add([]byte(`[{"event":"bounce"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range Providers {
			_, _ = parse(body) // must not panic
		}
	})
}
