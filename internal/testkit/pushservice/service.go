// Package pushservice is a push service and the browsers behind it, for tests:
// it takes what RFC 8030 says, checks the sender (RFC 8292), and opens each
// push with its browser's own key (RFC 8291).
package pushservice

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Push is one that the service took.
type Push struct {
	Browser string
	Topic   string
	Urgency string
	TTL     time.Duration
	Plain   []byte
	Subject string // of the VAPID token: who sends
}

// Service is the server. Answer may say something else than 201, by the number
// of the request (from 1) and its browser; what is no 2xx is not kept.
type Service struct {
	*httptest.Server
	// Key is the VAPID public key that browsers subscribed with.
	Key    string
	mu     sync.Mutex
	answer func(n int, browser string, h http.Header) int
	asked  int
	pushes []Push
	faults []error
	homes  map[string]Browser
}

// Browser is one subscription.
type Browser struct {
	Name     string
	Endpoint string
	key      *ecdh.PrivateKey
	auth     []byte
}

// P256DH and Auth are what the browser gives out, base64url.
func (b Browser) P256DH() string {
	return base64.RawURLEncoding.EncodeToString(b.key.PublicKey().Bytes())
}

// Auth is the browser's secret.
func (b Browser) Auth() string { return base64.RawURLEncoding.EncodeToString(b.auth) }

// New starts a service for senders with the VAPID public key; it ends with the
// test, which fails if a request was not as the RFCs want it. answer nil: 201.
func New(t testing.TB, key string, answer func(n int, browser string, h http.Header) int) *Service {
	t.Helper()
	if answer == nil {
		answer = func(int, string, http.Header) int { return http.StatusCreated }
	}
	s := &Service{Key: key, answer: answer, homes: map[string]Browser{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, err := range s.faults {
			t.Errorf("push service: %v", err)
		}
	})
	return s
}

// Browser makes a subscription of that name.
func (s *Service) Browser(t testing.TB, name string) Browser {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := Browser{Name: name, Endpoint: s.URL + "/push/" + name, key: key, auth: make([]byte, 16)}
	if _, err := rand.Read(b.auth); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.homes[name] = b
	return b
}

// Pushes are those that were taken, in their order.
func (s *Service) Pushes() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Push(nil), s.pushes...)
}

// Asked counts requests, also those refused.
func (s *Service) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// ServeHTTP takes a push.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	name := strings.TrimPrefix(r.URL.Path, "/push/")
	home, there := s.homes[name]
	if !there {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var p Push
	if err == nil {
		p, err = s.open(r, home, body)
	}
	if err != nil {
		s.faults = append(s.faults, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	code := s.answer(s.asked, name, w.Header())
	if code/100 == 2 {
		s.pushes = append(s.pushes, p)
	}
	w.WriteHeader(code)
}

func (s *Service) open(r *http.Request, home Browser, body []byte) (p Push, err error) {
	seconds, err := strconv.Atoi(r.Header.Get("TTL"))
	switch {
	case r.Method != http.MethodPost:
		return p, fmt.Errorf("method %s", r.Method)
	case err != nil || seconds < 0:
		return p, fmt.Errorf("TTL %q", r.Header.Get("TTL"))
	case r.Header.Get("Content-Encoding") != "aes128gcm":
		return p, fmt.Errorf("encoding %q", r.Header.Get("Content-Encoding"))
	case len(body) > 4096:
		return p, fmt.Errorf("%d bytes: a service need not take more than 4096", len(body))
	case len(r.Header.Get("Topic")) > 32:
		return p, fmt.Errorf("topic %q is too long", r.Header.Get("Topic"))
	}
	p = Push{Browser: home.Name, Topic: r.Header.Get("Topic"), Urgency: r.Header.Get("Urgency"), TTL: time.Duration(seconds) * time.Second}
	if p.Subject, err = s.sender(r); err != nil {
		return p, err
	}
	p.Plain, err = Decrypt(home.key, home.auth, body)
	return p, err
}

// sender checks the VAPID token as RFC 8292 has it: signed by the key that the
// browser subscribed with, for this service, and not for longer than a day.
func (s *Service) sender(r *http.Request) (string, error) {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text, key := "", ""
	for _, part := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			text = value
		case "k":
			key = value
		}
	}
	if !strings.EqualFold(scheme, "vapid") || key != s.Key {
		return "", fmt.Errorf("authorization of %q with key %q", scheme, key)
	}
	raw, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "", err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return "", err
	}
	claims := jwt.RegisteredClaims{}
	_, err = jwt.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return public, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(s.URL), jwt.WithExpirationRequired())
	switch {
	case err != nil:
		return "", fmt.Errorf("token: %w", err)
	case time.Until(claims.ExpiresAt.Time) > 24*time.Hour:
		return "", errors.New("a token for more than a day")
	default:
		return claims.Subject, nil
	}
}
