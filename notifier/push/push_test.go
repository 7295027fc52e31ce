package push

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

func TestKeysAreThoseOfP256(t *testing.T) {
	t.Parallel()
	made, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	if read, err := ParseKey(made.Private); err != nil || read != made {
		t.Errorf("%+v, %v", read, err)
	}
	for name, bad := range map[string]string{
		"empty": "", "short": "AAAA", "no base64url": "+/+/", "zero": base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
		"beyond the order of the curve": base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))),
	} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%s is taken for a key", name)
		}
	}
	if _, err := NewChannel(Config{PrivateKey: made.Private, Workers: 0}, "ops@example.org", time.Second, nil); err == nil {
		t.Error("no workers")
	}
	point, auth := made.Public, base64.URLEncoding.EncodeToString(make([]byte, 16)) // with padding, as some browsers give it
	if pointer, err := CheckKeys(point, auth); err != nil {
		t.Errorf("%s: %v", pointer, err)
	}
	off := []byte(point)
	off[20] ^= 1
	for _, bad := range [][2]string{{string(off), auth}, {"", auth}, {point, ""}, {point, "AAAA"}} {
		if _, err := CheckKeys(bad[0], bad[1]); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestAPushIsKeptAsLongAsItIsOfUse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ends, deadline := now.Add(48*time.Hour), now.Add(2*time.Hour)
	for name, c := range map[string]struct {
		n    notice.Notice
		want time.Duration
	}{
		"until the end":      {notice.Notice{Kind: notice.Promoted}, 48 * time.Hour},
		"until it is no use": {notice.Notice{Kind: notice.Reminder, UsefulUntil: now.Add(time.Hour)}, time.Hour},
		"until the deadline": {notice.Notice{Kind: notice.Offer, UsefulUntil: ends, Detail: notice.Detail{Deadline: &deadline}}, 2 * time.Hour},
		"four weeks at most": {notice.Notice{Kind: notice.Promoted, UsefulUntil: now.AddDate(1, 0, 0)}, 28 * 24 * time.Hour},
		"a minute at least":  {notice.Notice{Kind: notice.Promoted, UsefulUntil: now.Add(-time.Hour)}, time.Minute},
	} {
		d := &notice.Delivery{Notice: c.n, Event: &notice.Event{Body: contract.Event{EndsAt: ends}}}
		if got := time.Duration(ttl(d, now)) * time.Second; got != c.want {
			t.Errorf("%s: %s, expected %s", name, got, c.want)
		}
	}
	if len(Topic("x")) > 32 || Topic("x") == Topic("y") {
		t.Errorf("topic %q", Topic("x"))
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-5": 0, "999999999": longestPause, "soon": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, expected %s", text, got, want)
		}
	}
}
