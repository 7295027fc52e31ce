package seed

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// server stands in for the API where the loader's own habits are at stake:
// what it does when it is refused, asked to wait or cut off. Whether the real
// API agrees is for the end-to-end test.
type server struct {
	t  *testing.T
	mu sync.Mutex

	accounts map[string]string
	orgs     map[string]string
	events   map[string]*fakeEvent // by external id
	byID     map[string]*fakeEvent
	rsvps    map[string]*fakeEvent // by token
	replies  map[string][]byte     // by Idempotency-Key
	calls    int
	stopAt   int // after so many calls, cut is called once
	cut      func()
	forward  *server // answers instead, once set
}

type fakeEvent struct {
	id, status string
	capacity   *int
	guests     map[string]string // address to status
	queue      []string          // addresses of those who wait, as they came
	changes    int
	posts      int
}

func newServer(t *testing.T) (*server, string) {
	t.Helper()
	s := &server{
		t: t, accounts: map[string]string{}, orgs: map[string]string{}, events: map[string]*fakeEvent{},
		byID: map[string]*fakeEvent{}, rsvps: map[string]*fakeEvent{}, replies: map[string][]byte{},
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h.URL
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forward != nil {
		s.forward.ServeHTTP(w, r)
		return
	}
	s.calls++
	if s.cut != nil && s.calls == s.stopAt {
		s.cut()
	}
	// Every seventh answer asks to come back: the client must not count it.
	if s.calls%7 == 0 {
		w.Header().Set("Retry-After", "0")
		s.problem(w, http.StatusServiceUnavailable, "unavailable", "")
		return
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	text := func(k string) string { v, _ := body[k].(string); return v }
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/v1/auth/login":
		if s.accounts[text("email")] != text("password") || text("password") == "" {
			s.problem(w, http.StatusUnauthorized, "unauthorized", "")
			return
		}
		s.answer(w, 200, map[string]any{"access_token": s.token(), "refresh_token": "r", "expires_in": 900})
	case r.URL.Path == "/v1/auth/register" && s.accounts[text("email")] != "":
		s.problem(w, http.StatusConflict, "already-registered", "")
	case r.URL.Path == "/v1/auth/register":
		s.accounts[text("email")] = text("password")
		s.answer(w, 201, map[string]any{"access_token": s.token(), "refresh_token": "r", "expires_in": 900})
	case r.URL.Path == "/v1/organizations" && r.Method == http.MethodPost:
		if s.orgs[text("slug")] != "" {
			s.problem(w, http.StatusConflict, "slug-taken", "")
			return
		}
		s.orgs[text("slug")] = "org-" + text("slug")
		s.answer(w, 201, map[string]any{"id": "org-" + text("slug")})
	case r.URL.Path == "/v1/organizations":
		items := []any{}
		for slug, id := range maps.All(s.orgs) {
			items = append(items, map[string]any{"id": id, "slug": slug})
		}
		s.answer(w, 200, map[string]any{"items": items})
	case r.URL.Path == "/v1/events":
		s.create(w, text("external_id"), body["capacity"])
	case parts[1] == "events":
		s.onEvent(w, r, s.byID[parts[2]], parts[3], text)
	default:
		e := s.rsvps[strings.TrimPrefix(r.Header.Get("Authorization"), "Guest ")]
		if e == nil {
			s.problem(w, http.StatusNotFound, "not-found", "")
			return
		}
		if key := r.Header.Get("Idempotency-Key"); s.replies[key] == nil {
			s.replies[key] = []byte("x")
			e.changes++
		}
		s.answer(w, 200, map[string]any{"status": "confirmed"})
	}
}

func (s *server) create(w http.ResponseWriter, external string, capacity any) {
	if external == "refused" {
		s.problem(w, http.StatusBadRequest, "invalid-input", "")
		return
	}
	if e := s.events[external]; e != nil {
		s.problem(w, http.StatusConflict, "external-id-taken", e.id)
		return
	}
	e := &fakeEvent{id: fmt.Sprintf("id-%d", len(s.events)), status: "draft", guests: map[string]string{}}
	if n, ok := capacity.(float64); ok {
		c := int(n)
		e.capacity = &c
	}
	s.events[external], s.byID[e.id] = e, e
	s.answer(w, 201, map[string]any{"id": e.id, "status": e.status})
}

func (s *server) onEvent(w http.ResponseWriter, r *http.Request, e *fakeEvent, verb string, text func(string) string) {
	key := r.Header.Get("Idempotency-Key")
	switch {
	case verb == "rsvps" && s.replies[key] != nil:
		w.WriteHeader(201)
		_, _ = w.Write(s.replies[key])
	case verb == "rsvps" && e.status != "published":
		s.problem(w, http.StatusConflict, CodeEventCancelled, "")
	case verb == "rsvps" && e.guests[text("email")] != "":
		s.problem(w, http.StatusConflict, CodeAlreadyAnswered, "")
	case verb == "rsvps":
		status := "confirmed"
		if e.capacity != nil && len(e.guests) >= *e.capacity {
			status = "waitlisted"
			e.queue = append(e.queue, text("email"))
		}
		e.guests[text("email")] = status
		e.posts++
		token := e.id + "/" + text("email")
		s.rsvps[token] = e
		s.replies[key], _ = json.Marshal(map[string]any{"id": token, "status": status, "manage_token": token})
		w.WriteHeader(201)
		_, _ = w.Write(s.replies[key])
	case verb == "publish" && e.status == "cancelled":
		s.problem(w, http.StatusConflict, CodeEventCancelled, "")
	case verb == "publish":
		e.status = "published"
		s.answer(w, 200, map[string]any{"id": e.id, "status": e.status})
	case verb == "cancel":
		e.status = "cancelled"
		s.answer(w, 200, map[string]any{"id": e.id, "status": e.status})
	default:
		s.answer(w, 200, map[string]any{"id": e.id, "status": e.status})
	}
}

func (s *server) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *server) problem(w http.ResponseWriter, status int, code, id string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "status": status, "id": id})
}

// token looks like a JWT whose subject is this server's account.
func (s *server) token() string {
	claims := fmt.Sprintf(`{"sub":"%p"}`, s)
	return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"
}
