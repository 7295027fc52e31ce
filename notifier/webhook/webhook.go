// Package webhook posts signed messages to organizers' own systems. It keeps
// nothing; what to post and what came of it is pgstore's.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/egress"
)

// Headers of a post.
const (
	HeaderSignature = "Turnout-Signature" // t=<unix seconds>,v1=<hex>[,v1=<hex with the old secret>]
	HeaderEvent     = "Turnout-Event"     // the message's id: the same when it is posted again
	HeaderSequence  = "Turnout-Sequence"  // the event's version: grows by one with every message about it
)

// body is what is posted. Names and addresses are not in it: they are read
// through the API, with its rights and its log.
type body struct {
	ID             string            `json:"id"`
	Type           string            `json:"type"`
	OrganizationID string            `json:"organization_id"`
	EventID        string            `json:"event_id"`
	Sequence       int64             `json:"sequence"`
	At             time.Time         `json:"at"`
	Event          *contract.Event   `json:"event,omitempty"`
	RSVP           *rsvp             `json:"rsvp,omitempty"`
	Counters       contract.Counters `json:"counters"`
}

type rsvp struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Before    string `json:"status_before,omitempty"`
	Response  string `json:"response"`
	PartySize int    `json:"party_size"`
	CheckedIn int    `json:"checked_in"`
}

// Body is what is posted for a message about an event or an RSVP.
func Body(env *contract.Envelope) ([]byte, error) {
	b := body{ID: env.ID(), Type: env.Type, OrganizationID: env.Org, EventID: env.Subject, Sequence: env.Version, At: env.RecordedAt}
	if contract.AboutOf(env.Type) == contract.AboutEvent {
		m, err := env.Event()
		if err != nil {
			return nil, err
		}
		b.Event, b.Counters = &m.Event, m.Counters
	} else {
		m, err := env.RSVP()
		if err != nil {
			return nil, err
		}
		b.Counters = m.Counters
		b.RSVP = &rsvp{ID: m.RSVP.ID, Status: m.RSVP.Status, Before: m.Before.Status, Response: m.RSVP.Response,
			PartySize: m.RSVP.PartySize, CheckedIn: m.RSVP.CheckedIn}
	}
	return json.Marshal(b)
}

// Sign gives the signature header: HMAC-SHA-256 over "<unix seconds>.<body>",
// once per secret.
func Sign(body []byte, at time.Time, secrets ...[]byte) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	parts := []string{"t=" + stamp}
	for _, secret := range secrets {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(stamp + "."))
		h.Write(body)
		parts = append(parts, "v1="+hex.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(parts, ",")
}

// Post is one attempt.
type Post struct {
	URL      string
	ID       string
	Sequence int64
	Body     []byte
	Secrets  [][]byte // the current one first
}

// ErrGone means that the receiver wants no more of it (410).
var ErrGone = errors.New("receiver answered 410")

// Client posts. Safe for concurrent use.
type Client struct{ http *http.Client }

// Timeout bounds one attempt.
const Timeout = 10 * time.Second

// NewClient refuses addresses within our own network unless private is set: a
// webhook's URL is a stranger's choice.
func NewClient(private bool) *Client { return &Client{http: egress.Client(private, Timeout)} }

// Send posts once. Nil means an answer of 2xx.
func (c *Client) Send(ctx context.Context, p Post, now time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Turnout-Webhook/1")
	req.Header.Set(HeaderSignature, Sign(p.Body, now, p.Secrets...))
	req.Header.Set(HeaderEvent, p.ID)
	req.Header.Set(HeaderSequence, strconv.FormatInt(p.Sequence, 10))
	resp, err := c.http.Do(req)
	if err != nil {
		var dns *net.DNSError
		switch {
		case errors.Is(err, egress.ErrPrivate):
			return egress.ErrPrivate
		case errors.As(err, &dns):
			return errors.New("the name does not resolve")
		case errors.Is(err, context.DeadlineExceeded):
			return errors.New("no answer in time")
		default:
			return errors.New("no connection")
		}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusGone:
		return ErrGone
	default:
		return fmt.Errorf("receiver answered %d", resp.StatusCode)
	}
}
