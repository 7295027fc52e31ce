// Package push shows notices on guests' devices: Web Push (RFC 8030), signed
// with VAPID (RFC 8292), encrypted for the browser alone (RFC 8291). It keeps
// nothing; what the push service said goes back to the caller.
package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/egress"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// Config is what the environment sets.
type Config struct {
	// PrivateKey is the VAPID key: base64url of 32 bytes. Browsers subscribe
	// to its public half, so a new one loses every subscription. Empty: no
	// push. `turnout push key` makes one.
	PrivateKey string `env:"TURNOUT_VAPID_PRIVATE_KEY"`
	// Contact is how a push service reaches the operator: an address or an
	// https URL. Empty: that of TURNOUT_MAIL_FROM.
	Contact string `env:"TURNOUT_VAPID_CONTACT"`
	// Private lets push services be http and within this network.
	Private bool `env:"TURNOUT_PUSH_PRIVATE" envDefault:"false"`
	// Workers is how many pushes go at the same time.
	Workers int `env:"TURNOUT_PUSH_WORKERS" envDefault:"4"`
}

// Forget removes a device that its push service does not know any more.
type Forget func(ctx context.Context, subscriptionID string) error

// Channel delivers pushes. Safe for concurrent use.
type Channel struct {
	http    *http.Client
	keys    Keys
	contact string
	words   *template.Short
	forget  Forget
}

// Timeout bounds one attempt.
const Timeout = 10 * time.Second

// NewChannel checks the key. contact is used when the settings name none.
func NewChannel(cfg Config, contact string, timeout time.Duration, forget Forget) (*Channel, error) {
	keys, err := ParseKey(cfg.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("push: TURNOUT_VAPID_PRIVATE_KEY: %w", err)
	}
	if cfg.Workers < 1 || cfg.Workers > 256 {
		return nil, fmt.Errorf("push: TURNOUT_PUSH_WORKERS is %d, wants 1 to 256", cfg.Workers)
	}
	if cfg.Contact != "" {
		contact = strings.TrimPrefix(cfg.Contact, "mailto:") // the library puts it before what is no https URL
	}
	words, err := template.NewShort()
	if err != nil {
		return nil, err
	}
	return &Channel{http: egress.Client(cfg.Private, timeout), keys: keys, contact: contact, words: words, forget: forget}, nil
}

// Name is the channel's.
func (c *Channel) Name() string { return notice.ChannelPush }

// Close gives up idle connections.
func (c *Channel) Close() { c.http.CloseIdleConnections() }

// PublicKey is what a browser subscribes with (applicationServerKey).
func (c *Channel) PublicKey() string { return c.keys.Public }

// Deliver hands a notice to the push service of the device. A service that
// cannot be reached is a refusal, not notice.ErrUnreachable: each device names
// a service of its own, and one that is away must not hold the others up.
func (c *Channel) Deliver(ctx context.Context, d *notice.Delivery, _ contract.Personal, now time.Time) error {
	if d.Device == nil {
		return &notice.Impossible{Reason: ReasonGone}
	}
	payload, err := c.payload(d, now)
	if err != nil {
		return err
	}
	resp, err := webpush.SendNotificationWithContext(ctx, payload,
		&webpush.Subscription{Endpoint: d.Device.Open.URL, Keys: webpush.Keys{P256dh: d.Device.Open.P256DH, Auth: d.Device.Open.Auth}},
		&webpush.Options{
			HTTPClient: c.http, Subscriber: c.contact, Topic: Topic(d.Notice.RSVPID), TTL: ttl(d, now), Urgency: urgency(d.Notice.Kind),
			VAPIDPublicKey: c.keys.Public, VAPIDPrivateKey: c.keys.Private,
		})
	if err != nil { // its words could quote the endpoint
		if errors.Is(err, egress.ErrPrivate) {
			return &notice.Refusal{Permanent: true, Words: "push service within a private network"}
		}
		return &notice.Refusal{Words: "push service did not answer"}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	return c.judge(ctx, d, resp, now)
}

// ReasonGone is why a push to a device that is no longer there is void.
const ReasonGone = "device-gone"

// judge reads the answer (RFC 8030, 5; 404 and 410 as RFC 8030, 7.3 has them).
func (c *Channel) judge(ctx context.Context, d *notice.Delivery, resp *http.Response, now time.Time) error {
	code := resp.StatusCode
	words := "push service answered " + strconv.Itoa(code)
	switch {
	case code/100 == 2:
		return nil
	case code == http.StatusNotFound || code == http.StatusGone:
		if err := c.forget(ctx, d.Device.ID); err != nil {
			return &notice.Refusal{Words: words} // asked once more, and forgotten then
		}
		return &notice.Impossible{Reason: ReasonGone}
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		if after := retryAfter(resp.Header.Get("Retry-After"), now); after > 0 {
			return &notice.Later{After: after}
		}
		return &notice.Refusal{Words: words}
	default: // 400, 401, 403, 413: it will not be taken, but keys get mended
		return &notice.Refusal{Permanent: code/100 == 4, Words: words}
	}
}

const longestPause = time.Hour

// retryAfter reads seconds or a date (RFC 9110, 10.2.3), at most an hour; 0: none.
func retryAfter(text string, now time.Time) time.Duration {
	pause := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		pause = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		pause = at.Sub(now)
	}
	return min(max(pause, 0), longestPause)
}
