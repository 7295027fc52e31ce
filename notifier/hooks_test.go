package notifier

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/egress"
	"github.com/turnout-events/turnout/notifier/webhook"
)

// receiver is an organizer's own system.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(n int) int // status of the n-th post
	posts  []post
}

type post struct {
	signature string
	sequence  string
	id        string
	body      []byte
}

func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.posts = append(r.posts, post{signature: req.Header.Get(webhook.HeaderSignature), sequence: req.Header.Get(webhook.HeaderSequence),
			id: req.Header.Get(webhook.HeaderEvent), body: body})
		w.WriteHeader(r.answer(len(r.posts)))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.posts...)
}

// hook registers the receiver and returns the webhook's id and secret.
func (w *world) hook(owner, url string) (id, secret string) {
	w.t.Helper()
	status, body, _ := w.call("POST", "/v1/webhooks", owner, fmt.Sprintf(`{"organization_id": %q, "url": %q}`, w.event.OrganizationID, url))
	var answer struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 201 {
		w.t.Fatalf("%d %s", status, body)
	}
	return answer.ID, answer.Secret
}

// untilPosts waits until the receiver has n posts and has been heard of all it has.
func (w *world) untilPosts(r *receiver, n int) []post {
	w.t.Helper()
	w.until(time.Second, func() error {
		if got := len(r.got()); got < n {
			return fmt.Errorf("%d posts", got)
		}
		var claimed int
		err := w.pool.QueryRow(w.t.Context(), `SELECT count(*) FROM notifier.webhook_delivery WHERE state = 'claimed'`).Scan(&claimed)
		if err == nil && claimed > 0 {
			err = fmt.Errorf("the outcome of %d posts is not recorded", claimed)
		}
		return err
	})
	return r.got()
}

func TestAWebhookHearsEverythingSignedAndInSequence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner := newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner}))
	r := newReceiver(t, func(n int) int {
		if n == 1 {
			return 503 // and then it works
		}
		return 204
	})
	hook, secret := w.hook(owner, r.URL)
	w.publish()
	m := w.going("ana")
	w.hear(m)
	w.hear(m) // a repeat is posted once
	posts := w.untilPosts(r, 4)
	seen := map[string]int{}
	for _, p := range posts {
		seen[p.sequence]++
		at, err := time.Parse(time.RFC3339, "2026-05-02T08:00:00Z")
		if err != nil {
			t.Fatal(err)
		}
		var unix int64
		if _, err := fmt.Sscanf(p.signature, "t=%d,", &unix); err != nil || unix < at.Unix() {
			t.Fatalf("signature %q: %v", p.signature, err)
		}
		if want := webhook.Sign(p.body, time.Unix(unix, 0), []byte(secret)); p.signature != want {
			t.Errorf("signature %q, expected %q", p.signature, want)
		}
		if strings.Contains(string(p.body), "sealed") || strings.Contains(string(p.body), "example.org") {
			t.Errorf("personal data in %s", p.body)
		}
		if p.id != w.event.ID+"@"+p.sequence {
			t.Errorf("id %q", p.id)
		}
	}
	if len(seen) != 3 || len(posts) != 4 {
		t.Errorf("posts by sequence: %v", seen)
	}

	// A new secret: for a day both sign. Asked again, all come again.
	_, body, _ := w.call("POST", "/v1/webhooks/"+hook+"/rotate", owner, "")
	var rotated struct{ Secret string }
	if err := json.Unmarshal([]byte(body), &rotated); err != nil || rotated.Secret == "" || rotated.Secret == secret {
		t.Fatalf("%s", body)
	}
	if status, body, _ := w.call("POST", "/v1/webhooks/"+hook+"/redeliver", owner, `{"since": "2026-01-01T00:00:00Z"}`); status != 202 || !strings.Contains(body, `"redelivered":3`) {
		t.Fatalf("%d %s", status, body)
	}
	posts = w.untilPosts(r, 7)
	if last := posts[6]; strings.Count(last.signature, "v1=") != 2 {
		t.Errorf("signature within the overlap: %q", last.signature)
	}
	if status, body, _ := w.call("GET", "/v1/webhooks?organization_id="+w.event.OrganizationID, owner, ""); status != 200 || strings.Contains(body, rotated.Secret) {
		t.Errorf("%d %s", status, body)
	}
	stranger := newID(t)
	if status, _, _ := w.call("DELETE", "/v1/webhooks/"+hook, stranger, ""); status != 404 {
		t.Errorf("a stranger deleted it: %d", status)
	}
	if status, _, _ := w.call("DELETE", "/v1/webhooks/"+hook, owner, ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
}

func TestAWebhookThatTakesNothingIsSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner := newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner}))
	silent := newReceiver(t, func(int) int { return 500 })
	gone := newReceiver(t, func(int) int { return 410 })
	w.hook(owner, silent.URL)
	w.hook(owner, gone.URL)
	w.publish()
	w.until(time.Hour, func() error {
		_, body, _ := w.call("GET", "/v1/webhooks?organization_id="+w.event.OrganizationID, owner, "")
		if !strings.Contains(body, hookDisabled) || !strings.Contains(body, hookGone) {
			return fmt.Errorf("%s", body)
		}
		return nil
	})
	if n := len(gone.got()); n > 2 {
		t.Errorf("410 was asked %d times", n)
	}
	if n := len(silent.got()); n < 20 {
		t.Errorf("given up after %d posts", n)
	}
}

func TestAWebhookCannotReachInside(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(int) int { return 200 })
	if err := webhook.NewClient(false).Send(t.Context(), webhook.Post{URL: r.URL}, time.Now()); err == nil || len(r.got()) != 0 {
		t.Errorf("posted to %s: %v", r.URL, err)
	}
	for _, bad := range []string{"http://example.org/", "https://u:p@example.org/", "ftp://example.org", "https://", "x"} {
		if egress.CheckURL(bad, false) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	moved := httptest.NewServer(http.RedirectHandler(r.URL, http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)
	if err := webhook.NewClient(true).Send(t.Context(), webhook.Post{URL: moved.URL}, time.Now()); err == nil || len(r.got()) != 0 {
		t.Errorf("followed a redirect: %v", err)
	}
}
