package token_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/turnout-events/turnout/internal/token"
)

const account = "01939b5e-0000-7000-8000-000000000001"

// issuer is a JWKS endpoint whose keys and health a test can change.
type issuer struct {
	t       *testing.T
	mu      sync.Mutex
	private map[string]*rsa.PrivateKey
	order   []string
	down    bool
	asked   atomic.Int32
	url     string
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	t.Helper()
	i := &issuer{t: t, private: map[string]*rsa.PrivateKey{}}
	for _, kid := range kids {
		i.add(kid, newKey(t))
	}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issuer) add(kid string, key *rsa.PrivateKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.private[kid] = key
	i.order = append(i.order, kid)
}

func (i *issuer) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = true
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.asked.Add(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	public := map[string]*rsa.PublicKey{}
	for kid, key := range i.private {
		public[kid] = &key.PublicKey
	}
	body, err := token.EncodeJWKS(i.order, public)
	if err != nil {
		i.t.Error(err)
	}
	_, _ = w.Write(body)
}

func (i *issuer) sign(kid string, claims jwt.MapClaims) string {
	i.t.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	tok.Header["kid"] = kid
	s, err := tok.SignedString(i.private[kid])
	if err != nil {
		i.t.Fatal(err)
	}
	return s
}

func good() jwt.MapClaims {
	return jwt.MapClaims{"sub": account, "iat": time.Now().Unix(), "exp": time.Now().Add(15 * time.Minute).Unix()}
}

func TestVerifyCachesKeysAndFindsNewOnes(t *testing.T) {
	t.Parallel()
	i, next := newIssuer(t, "a"), newKey(t) // made now: a busy machine takes longer for it than the pause lasts
	v := token.NewVerifier(i.url, http.DefaultClient)
	for range 3 {
		if sub, err := v.Verify(t.Context(), i.sign("a", good())); err != nil || sub != account {
			t.Fatalf("sub %q, %v", sub, err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("%d requests for three tokens of one key, want 1", n)
	}
	// Within the pause after a fetch, made-up key ids cost nothing.
	forged := i.sign("a", good())
	i.add("b", next)
	for range 10 {
		if _, err := v.Verify(t.Context(), i.sign("b", good())); !errors.Is(err, token.ErrToken) {
			t.Fatalf("unknown key: %v", err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1: unknown keys must not hammer the issuer", n)
	}
	i.stop()
	if _, err := v.Verify(t.Context(), forged); err != nil {
		t.Errorf("known key with its issuer away: %v", err)
	}
	if _, err := token.NewVerifier(i.url, http.DefaultClient).Verify(t.Context(), forged); !errors.Is(err, token.ErrKeysAway) {
		t.Errorf("no key and the issuer away: %v, want ErrKeysAway", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "a", "b")
	v := token.NewVerifier(i.url, http.DefaultClient)
	with := func(key string, value any) jwt.MapClaims {
		c := good()
		if value == nil {
			delete(c, key)
		} else {
			c[key] = value
		}
		return c
	}
	hs := jwt.NewWithClaims(jwt.SigningMethodHS256, good())
	hs.Header["kid"] = "a"
	symmetric, err := hs.SignedString(i.private["a"].N.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	none := jwt.NewWithClaims(jwt.SigningMethodNone, good())
	none.Header["kid"] = "a"
	unsigned, err := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	swapped := jwt.NewWithClaims(jwt.SigningMethodRS256, good())
	swapped.Header["kid"] = "a"
	otherKey, err := swapped.SignedString(i.private["b"])
	if err != nil {
		t.Fatal(err)
	}
	for name, bearer := range map[string]string{
		"nothing":              "",
		"not a token":          "abc",
		"expired":              i.sign("a", with("exp", time.Now().Add(-time.Minute).Unix())),
		"never expires":        i.sign("a", with("exp", nil)),
		"no subject":           i.sign("a", with("sub", nil)),
		"subject is no id":     i.sign("a", with("sub", "admin")),
		"issued in the future": i.sign("a", with("iat", time.Now().Add(time.Hour).Unix())),
		"symmetric signature":  symmetric,
		"unsigned":             unsigned,
		"another key":          otherKey,
		"changed":              i.sign("a", good()) + "A",
	} {
		if sub, err := v.Verify(t.Context(), bearer); !errors.Is(err, token.ErrToken) {
			t.Errorf("%s: %q, %v; want ErrToken", name, sub, err)
		}
	}
}
