package token

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/turnout-events/turnout/internal/id"
)

// ErrKeysAway means that the signing keys could not be fetched, so that nobody
// can say whether a token is good: an answer of 503, not of 401.
var ErrKeysAway = errors.New("signing keys cannot be fetched")

const (
	// keysFresh is how long fetched keys serve before they are fetched again,
	// so that a key that was withdrawn stops verifying.
	keysFresh = 5 * time.Minute
	// unknownKeyPause bounds what tokens with made-up key ids can cost.
	unknownKeyPause = 5 * time.Second
	fetchTimeout    = 3 * time.Second
	maxJWKS         = 64 << 10
	// leeway allows for clocks that differ a little between machines.
	leeway = 30 * time.Second
)

// Keys gives the public keys that sign access tokens, by key id.
type Keys func(ctx context.Context) (map[string]*rsa.PublicKey, error)

// Verifier checks access tokens against cached keys. It is safe for concurrent
// use and makes no request while the cache answers.
type Verifier struct {
	fetch  Keys
	parser *jwt.Parser

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time
	tried   time.Time
	running *fetching // nil: nobody fetches
}

// fetching is one fetch for all who wait.
type fetching struct {
	done chan struct{}
	err  error // set before done is closed
}

// NewVerifier takes its keys from the JWK set at jwksURL
// (…/.well-known/jwks.json of the command role), fetched when first needed,
// when a token names an unknown key, and every few minutes.
func NewVerifier(jwksURL string, client *http.Client) *Verifier {
	return NewVerifierFrom(func(ctx context.Context) (map[string]*rsa.PublicKey, error) {
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, jwksURL, nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS))
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answered %s", jwksURL, resp.Status)
		}
		return DecodeJWKS(body)
	})
}

// NewVerifierFrom takes its keys from a function: the role that holds them
// need not ask itself over HTTP.
func NewVerifierFrom(fetch Keys) *Verifier {
	return &Verifier{fetch: fetch, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{Algorithm}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
	)}
}

// Verify gives the account that an access token (what stands after "Bearer ")
// was issued to. ErrToken: it is not good, or no longer. ErrKeysAway: nobody
// can say.
func (v *Verifier) Verify(ctx context.Context, bearer string) (sub string, err error) {
	var claims jwt.RegisteredClaims
	_, err = v.parser.ParseWithClaims(bearer, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if kid == "" {
			return nil, ErrToken
		}
		return v.key(ctx, kid)
	})
	switch {
	case errors.Is(err, ErrKeysAway):
		return "", err
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrToken, err)
	case !id.Valid(claims.Subject):
		return "", fmt.Errorf("%w: no subject", ErrToken)
	}
	return claims.Subject, nil
}

// key waits for a fetch only if it is the one to make it, or has no key: a role
// that hangs must not hold up who can be verified.
func (v *Verifier) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	v.mu.Lock()
	key, known := v.keys[kid]
	running := v.running
	due := (!known || time.Since(v.fetched) > keysFresh) && (v.keys == nil || time.Since(v.tried) > unknownKeyPause)
	mine := due && running == nil
	if mine {
		running = &fetching{done: make(chan struct{})}
		v.running, v.tried = running, time.Now()
	}
	v.mu.Unlock()
	switch {
	case mine:
		v.run(context.WithoutCancel(ctx), running) // others wait for it too
	case known:
		return key, nil
	case running == nil:
		return nil, ErrToken
	default:
		select {
		case <-running.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrKeysAway, ctx.Err())
		}
	}
	if running.err != nil && !known {
		return nil, fmt.Errorf("%w: %w", ErrKeysAway, running.err)
	}
	if running.err == nil {
		v.mu.Lock()
		key, known = v.keys[kid]
		v.mu.Unlock()
	}
	// A known key goes on verifying while its source is away: signing in would
	// else fail everywhere because one role restarts.
	if !known {
		return nil, ErrToken
	}
	return key, nil
}

func (v *Verifier) run(ctx context.Context, f *fetching) {
	f.err = errors.New("the fetch panicked")
	defer func() {
		v.mu.Lock()
		v.running = nil
		v.mu.Unlock()
		close(f.done)
	}()
	keys, err := v.fetch(ctx)
	if f.err = err; err == nil {
		v.mu.Lock()
		v.keys, v.fetched = keys, time.Now()
		v.mu.Unlock()
	}
}
