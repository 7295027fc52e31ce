// Package bounce reads what mail systems say about mail that was sent: delivery
// status notifications (RFC 3464) and the hooks of providers. It is pure: it
// says which notice a report is about and what became of it.
package bounce

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Kind of a report.
type Kind string

// The kinds.
const (
	Hard      Kind = "hard"      // the address does not work: never again
	Soft      Kind = "soft"      // it did not work this time
	Complaint Kind = "complaint" // the guest called it spam: never again
	Delivered Kind = "delivered"
)

// Report is one statement about one notice.
type Report struct {
	NoticeID string
	Kind     Kind
	Code     string // RFC 3463, or what the provider calls it
}

// ErrUnknown means that the report is not of a shape that the provider uses.
var ErrUnknown = errors.New("not a report of this provider")

// Providers by the name in the hook's path.
var Providers = map[string]func(body []byte) ([]Report, error){
	"ses": SES, "sendgrid": SendGrid, "mailgun": Mailgun, "dsn": one(DSN),
}

func one(parse func([]byte) (Report, error)) func([]byte) ([]Report, error) {
	return func(body []byte) ([]Report, error) {
		r, err := parse(body)
		if err != nil {
			return nil, err
		}
		return []Report{r}, nil
	}
}

// noticeID finds a notice's id in a Message-ID (<id@domain>), in an envelope
// sender (bounces+id@domain) or in a header's value (id).
var noticeID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func findID(places ...string) string {
	for _, p := range places {
		if found := noticeID.FindString(strings.ToLower(p)); found != "" {
			return found
		}
	}
	return ""
}

// byStatus: 5.x.x is for good, but for 5.2.2 (mailbox full) and 5.6.7 (a server
// on the way lacks SMTPUTF8, RFC 6531), which are not.
func byStatus(code string) Kind {
	if strings.HasPrefix(code, "5.") && code != "5.2.2" && code != "5.6.7" {
		return Hard
	}
	return Soft
}

// SES reads a notification of Amazon SES as SNS posts it, or as SES writes it.
func SES(body []byte) ([]Report, error) {
	var envelope struct{ Type, Message string }
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if envelope.Type == "SubscriptionConfirmation" {
		return nil, nil // confirmed by hand, in the console
	}
	if envelope.Message != "" {
		body = []byte(envelope.Message)
	}
	var n struct {
		NotificationType string
		EventType        string
		Bounce           struct {
			BounceType        string
			BouncedRecipients []struct{ Status string }
		}
		Mail struct {
			Source        string
			Headers       []struct{ Name, Value string }
			CommonHeaders struct{ MessageID string }
		}
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	places := []string{}
	for _, h := range n.Mail.Headers {
		if strings.EqualFold(h.Name, "X-Turnout-Notification") {
			places = append(places, h.Value)
		}
	}
	r := Report{NoticeID: findID(append(places, n.Mail.Source, n.Mail.CommonHeaders.MessageID)...)}
	switch n.NotificationType + n.EventType {
	case "Bounce":
		r.Kind, r.Code = Soft, "bounce "+strings.ToLower(n.Bounce.BounceType)
		if n.Bounce.BounceType == "Permanent" {
			r.Kind = Hard
		}
		if rcpts := n.Bounce.BouncedRecipients; len(rcpts) > 0 && rcpts[0].Status != "" {
			r.Code = rcpts[0].Status
		}
	case "Complaint":
		r.Kind, r.Code = Complaint, "complaint"
	case "Delivery":
		r.Kind = Delivered
	default:
		return nil, ErrUnknown
	}
	return []Report{r}, nil
}

// SendGrid reads the events of the event webhook.
func SendGrid(body []byte) ([]Report, error) {
	var events []struct {
		Event  string `json:"event"`
		Type   string `json:"type"`
		Status string `json:"status"`
		SMTPID string `json:"smtp-id"`
	}
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	var out []Report
	for _, e := range events {
		r := Report{NoticeID: findID(e.SMTPID), Code: e.Status}
		switch e.Event {
		case "bounce":
			r.Kind = Hard
			if e.Type == "blocked" {
				r.Kind = Soft
			}
		case "dropped":
			r.Kind, r.Code = Soft, "dropped"
		case "spamreport":
			r.Kind, r.Code = Complaint, "complaint"
		case "delivered":
			r.Kind = Delivered
		default:
			continue // opened, clicked, deferred: not ours to judge
		}
		out = append(out, r)
	}
	return out, nil
}

// Mailgun reads an event of its webhooks.
func Mailgun(body []byte) ([]Report, error) {
	var hook struct {
		Data struct {
			Event    string `json:"event"`
			Severity string `json:"severity"`
			Status   struct {
				Code     int    `json:"code"`
				Enhanced string `json:"enhanced-code"`
			} `json:"delivery-status"`
			Message struct {
				Headers map[string]string `json:"headers"`
			} `json:"message"`
		} `json:"event-data"`
	}
	if err := json.Unmarshal(body, &hook); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	d := hook.Data
	r := Report{NoticeID: findID(d.Message.Headers["message-id"]), Code: d.Status.Enhanced}
	switch {
	case d.Event == "failed" && d.Severity == "permanent":
		r.Kind = Hard
	case d.Event == "failed":
		r.Kind = Soft
	case d.Event == "complained":
		r.Kind, r.Code = Complaint, "complaint"
	case d.Event == "delivered":
		r.Kind = Delivered
	case d.Event == "":
		return nil, ErrUnknown
	default:
		return nil, nil
	}
	if r.Code == "" && d.Status.Code != 0 {
		r.Code = fmt.Sprint(d.Status.Code)
	}
	return []Report{r}, nil
}
