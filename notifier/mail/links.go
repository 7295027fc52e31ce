package mail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// Links makes and checks what a mail links to beside the manage page. Safe for
// concurrent use.
type Links struct{ keys [][]byte }

// NewLinks takes its keys from the ring.
func NewLinks(ring *seal.Keyring) (*Links, error) {
	keys, err := ring.Purpose(seal.PurposeLink)
	if err != nil {
		return nil, err
	}
	return &Links{keys: keys}, nil
}

const macSize = 16

// track has opens and clicks of a campaign counted, if the organization has
// switched that on; nothing in the mail changes otherwise.
func (w *Writer) track(c *template.Content) {
	d := c.Delivery
	if d.Notice.Kind != notice.Campaign || d.Notice.ID == "" || d.Organization == nil || !d.Organization.Body.Tracking {
		return
	}
	c.Pixel = w.base + "/t/o/" + w.links.Open(d.Notice.ID)
	c.Track = func(to string) string {
		return w.base + "/t/c/" + w.links.Click(d.Notice.ID, to) + "?to=" + url.QueryEscape(to)
	}
}

// Open derives the token of the picture that tells that a notice was opened.
func (l *Links) Open(noticeID string) string { return l.token(noticeID, "open") }

// Click derives the token of a link that counts and leads to one address: it
// opens no other.
func (l *Links) Click(noticeID, to string) string { return l.token(noticeID, "click\x00"+to) }

// Opened reads a token of Open, Clicked one of Click.
func (l *Links) Opened(s string) (noticeID string, err error) { return l.notice(s, "open") }

// Clicked refuses a token that was not made for this address.
func (l *Links) Clicked(s, to string) (noticeID string, err error) {
	return l.notice(s, "click\x00"+to)
}

func (l *Links) token(noticeID, purpose string) string {
	id := uuid.MustParse(noticeID)
	return base64.RawURLEncoding.EncodeToString(append(id[:], mac(l.keys[0], purpose, id[:])...))
}

func (l *Links) notice(s, purpose string) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != 16+macSize {
		return "", token.ErrToken
	}
	for _, key := range l.keys {
		if hmac.Equal(raw[16:], mac(key, purpose, raw[:16])) {
			return uuid.UUID(raw[:16]).String(), nil
		}
	}
	return "", token.ErrToken
}

// mac binds an id to what a token of it is for. The purpose's length keeps one
// from running into the id.
func mac(key []byte, purpose string, id []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("notice " + strconv.Itoa(len(purpose)) + " " + purpose))
	h.Write(id)
	return h.Sum(nil)[:macSize]
}

// Unsubscribe derives the token of an RSVP's unsubscribe link. It does not
// expire: a link in an old mail has to work (RFC 8058, 3.2).
func (l *Links) Unsubscribe(rsvpID string) string {
	id := uuid.MustParse(rsvpID) // ids in the store are UUIDs by its types
	return base64.RawURLEncoding.EncodeToString(append(id[:], unsubscribeMAC(l.keys[0], id[:])...))
}

// RSVP reads the token of an unsubscribe link.
func (l *Links) RSVP(s string) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != 16+macSize {
		return "", token.ErrToken
	}
	for _, key := range l.keys {
		if hmac.Equal(raw[16:], unsubscribeMAC(key, raw[:16])) {
			return uuid.UUID(raw[:16]).String(), nil
		}
	}
	return "", token.ErrToken
}

func unsubscribeMAC(key, id []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("unsubscribe"))
	h.Write(id)
	return h.Sum(nil)[:macSize]
}
