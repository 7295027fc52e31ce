package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/described"
)

// world is one Turnout in a test: its environment, its own names in the real
// engines, and an SMTP server with a ledger of its own.
type world struct {
	t    *testing.T
	env  map[string]string
	url  string
	mail *postbox
	http *http.Client

	bearer string
	org    string
	made   int // events, each with a key of its own
}

const (
	opsToken = "operators-only"
	signIn   = "/v1/auth/login"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	a := testkit.Engines(t)
	box := newPostbox(t)
	w := &world{t: t, mail: box, http: &http.Client{Timeout: 15 * time.Second, Transport: described.Transport(t, nil)}}
	w.env = map[string]string{
		"TURNOUT_POSTGRES_URL":   testkit.Database(t),
		"TURNOUT_KAFKA_BROKERS":  strings.Join(a.Kafka, ","),
		"TURNOUT_ELASTIC_URL":    a.Elastic,
		"TURNOUT_REDIS_URL":      a.Redis,
		"TURNOUT_NAMESPACE":      testkit.Namespace(t),
		"TURNOUT_SECRETS":        "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"TURNOUT_SERVICE_TOKEN":  "roles-only",
		"TURNOUT_OPS_TOKEN":      opsToken,
		"TURNOUT_SMTP_ADDR":      box.addr,
		"TURNOUT_INBOX":          "false",
		"TURNOUT_INBOX_DIR":      filepath.Join(t.TempDir(), "inbox"),
		"TURNOUT_LIMIT_LOOPBACK": "off",
	}
	ports := testkit.LowAddrs(t, testkit.RolePorts, 10)
	for i, name := range []string{"HTTP", "COMMAND", "QUERY", "NOTIFIER", "WEB_OPS", "COMMAND_OPS", "QUERY_OPS", "NOTIFIER_OPS", "PROJECTOR_OPS", "RELAY_OPS"} {
		w.env["TURNOUT_"+name+"_ADDR"] = ports[i]
		w.env["TURNOUT_"+name+"_URL"] = "http://" + ports[i]
	}
	w.url = "http://" + ports[0]
	w.env["TURNOUT_PUBLIC_URL"] = w.url
	return w
}

// environ is the world's environment for a process.
func (w *world) environ() []string {
	out := make([]string, 0, len(w.env))
	for k, v := range w.env {
		out = append(out, k+"="+v)
	}
	return out
}

// answer is what came back from a request.
type answer struct {
	Status  int
	Body    []byte
	Version string // Turnout-Version
	Header  http.Header
}

// is tells whether the answer is a problem of that code.
func (a answer) is(code string) bool { return bytes.Contains(a.Body, []byte(`"`+code+`"`)) }

func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("%s: %v", a.Body, err)
	}
}

// call sends a request to the origin. Headers are name, value, name, value.
func (w *world) call(method, path string, body any, headers ...string) (answer, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, reader)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if w.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+w.bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return answer{Status: res.StatusCode, Body: b, Version: res.Header.Get("Turnout-Version"), Header: res.Header}, err
}

// want sends a request that must be answered with the status. Like any client it comes again when the answer says to, if
// that can change nothing twice: on a busy machine a store may take longer than a request may wait, and a projector longer
// than a read waits for it.
func (w *world) want(status int, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		a, err := w.call(method, path, body, headers...)
		if err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
		if a.Status == status {
			return a
		}
		keyed := slices.Contains(headers, "Idempotency-Key")
		later := a.Status == http.StatusServiceUnavailable && (keyed || method == http.MethodGet || path == signIn) ||
			a.Status == http.StatusConflict && (a.is("not-yet-visible") || keyed && a.is("idempotency-key-in-use"))
		if !later || time.Now().After(end) {
			w.t.Fatalf("%s %s: got %d, want %d: %s", method, path, a.Status, status, a.Body)
		}
		w.t.Logf("%s %s: %d, coming again", method, path, a.Status)
		w.pause(200 * time.Millisecond)
	}
}

// read waits until a path shows something to whoever asks; "" is the organizer.
func (w *world) read(path, authorization string) {
	w.t.Helper()
	var headers []string
	if authorization != "" {
		headers = []string{"Authorization", authorization}
	}
	testkit.Eventually(w.t, 2*time.Minute, 100*time.Millisecond, func() error {
		a, err := w.call("GET", path, nil, headers...)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
		return err
	})
}

// pause waits, unless the test is over.
func (w *world) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.t.Context().Done():
	}
}

// signUp makes an account and signs in.
func (w *world) signUp(name, email, password string) {
	w.t.Helper()
	unknown := false // whether an earlier try has made it: this takes no key
	testkit.Eventually(w.t, 2*time.Minute, 200*time.Millisecond, func() error {
		a, err := w.call("POST", "/v1/auth/register", map[string]string{"email": email, "password": password, "name": name})
		switch {
		case err != nil:
			w.t.Fatal(err)
		case a.Status == http.StatusServiceUnavailable:
			unknown = true
			return fmt.Errorf("%s does not get an account: %s", name, a.Body)
		case a.Status != http.StatusCreated && (a.Status != http.StatusConflict || !unknown):
			w.t.Fatalf("%s does not get an account: %d %s", name, a.Status, a.Body)
		}
		return nil
	})
	var session struct {
		AccessToken string `json:"access_token"`
	}
	w.want(200, "POST", signIn, map[string]string{"email": email, "password": password}).decode(w.t, &session)
	w.bearer = session.AccessToken
}

// organizer signs up, signs in and makes an organization.
func (w *world) organizer() {
	w.t.Helper()
	w.signUp("Olga", "olga@example.org", "a long pass phrase of Olga")
	var org struct{ ID string }
	w.want(201, "POST", "/v1/organizations", map[string]string{"name": "Lantern Society", "slug": "lanterns"}, "Idempotency-Key", "lanterns").decode(w.t, &org)
	w.org = org.ID
}

// event publishes one that starts after in.
func (w *world) event(title string, in time.Duration, more map[string]any) (id, slug string) {
	w.t.Helper()
	start := time.Now().Add(in).Truncate(time.Second)
	body := map[string]any{
		"organization_id": w.org, "title": title, "description": "Bring a jar.", "starts_at": start, "ends_at": start.Add(3 * time.Hour),
		"time_zone": "Europe/Zurich", "max_party": 4, "venue": map[string]any{"name": "Hof", "city": "Zürich", "country": "CH", "lat": 47.37, "lon": 8.54},
	}
	for k, v := range more {
		body[k] = v
	}
	var e struct{ ID, Slug string }
	w.made++
	w.want(201, "POST", "/v1/events", body, "Idempotency-Key", fmt.Sprintf("event-%d", w.made)).decode(w.t, &e)
	w.want(200, "POST", "/v1/events/"+e.ID+"/publish", nil, "Idempotency-Key", "publish")
	return e.ID, e.Slug
}

// postbox is an SMTP server that keeps its own ledger of what it took.
type postbox struct {
	addr    string
	mu      sync.Mutex
	got     []letter
	refused string // an address that does not exist
}

type letter struct {
	to, subject, messageID string
	raw                    []byte
	at                     time.Time
}

func newPostbox(t *testing.T) *postbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &postbox{addr: l.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &postSession{box: b}, nil }))
	server.Domain = "postbox.test"
	server.EnableSMTPUTF8 = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return b
}

// to is what an address got, oldest first.
func (b *postbox) to(address string) []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []letter
	for _, l := range b.got {
		if l.to == address {
			out = append(out, l)
		}
	}
	return out
}

// arrived waits for a letter whose raw text holds all the words.
func (b *postbox) arrived(t *testing.T, address string, subject string) letter {
	t.Helper()
	var found letter
	testkit.Eventually(t, 2*time.Minute, 50*time.Millisecond, func() error {
		var subjects []string
		for _, l := range b.to(address) {
			if strings.Contains(l.subject, subject) {
				found = l
				return nil
			}
			subjects = append(subjects, l.subject)
		}
		return fmt.Errorf("%s has no mail %q; it has %q", address, subject, subjects)
	})
	return found
}

type postSession struct {
	box *postbox
	to  []string
}

func (s *postSession) Mail(string, *smtp.MailOptions) error { return nil }

// refuse has mail to an address refused for good; to none when it is empty.
func (b *postbox) refuse(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = address
}

func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if to == s.box.refused {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *postSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	subject, err := wordDecoder.DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	for _, to := range s.to {
		s.box.got = append(s.box.got, letter{to: to, subject: subject, messageID: m.Header.Get("Message-Id"), raw: raw, at: time.Now()})
	}
	return nil
}

func (s *postSession) Reset() { s.to = nil }

func (s *postSession) Logout() error { return nil }
