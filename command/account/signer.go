package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

const (
	keyBits = 2048
	// announceFor is how long a new key is published before it signs: longer
	// than any verifier keeps the keys it has.
	announceFor = 10 * time.Minute
	// verifyFor is how long a key that no longer signs is still published:
	// longer than an access token can live.
	verifyFor  = 2 * time.Hour
	sweepEvery = time.Hour
)

// Signer signs access tokens and changes the key from time to time. Several
// processes share the keys through the table signing_key.
type Signer struct {
	cfg   Config
	store *pgstore.Accounts
	ring  *seal.Keyring
	log   *slog.Logger

	mu      sync.RWMutex
	current string
	order   []string // published, the one that signs among them
	keys    map[string]*rsa.PrivateKey
	jwks    []byte
}

// NewSigner loads the keys, making the first one if there is none.
func NewSigner(ctx context.Context, cfg Config, store *pgstore.Accounts, ring *seal.Keyring, log *slog.Logger, now time.Time) (*Signer, error) {
	s := &Signer{cfg: cfg, store: store, ring: ring, log: log, keys: map[string]*rsa.PrivateKey{}}
	return s, s.reload(ctx, now)
}

// Run looks for new keys and makes them when it is time, until ctx ends.
func (s *Signer) Run(ctx context.Context) error {
	keys, sweep := time.NewTicker(cmp.Or(s.cfg.LookAgain, time.Minute)), time.NewTicker(sweepEvery)
	defer keys.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-keys.C:
			if err := s.reload(ctx, now.UTC()); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "signing keys not looked at", "error", err)
			}
		case now := <-sweep.C:
			if err := s.store.SweepRefresh(ctx, now.UTC()); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "refresh tokens not swept", "error", err)
			}
		}
	}
}

// Sign makes an access token that carries the account and nothing else about it.
func (s *Signer) Sign(accountID string, now time.Time, ttl time.Duration) (string, error) {
	s.mu.RLock()
	kid, key := s.current, s.keys[s.current]
	s.mu.RUnlock()
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Subject: accountID, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	})
	t.Header["kid"] = kid
	text, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return text, nil
}

// JWKS is the document of /.well-known/jwks.json.
func (s *Signer) JWKS() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.jwks
}

// Keys are the public keys, for a verifier in the same process.
func (s *Signer) Keys(context.Context) (map[string]*rsa.PublicKey, error) {
	return token.DecodeJWKS(s.JWKS())
}

func (s *Signer) reload(ctx context.Context, now time.Time) error {
	rows, err := s.store.ChangeSigningKeys(ctx, now, func(rows []pgstore.SigningKey) (*pgstore.SigningKey, []string, []string, error) {
		p := planKeys(rows, now, s.cfg.SigningKeyTTL)
		if !p.create {
			return nil, p.retire, p.forget, nil
		}
		added, err := s.make(now)
		return added, p.retire, p.forget, err
	})
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	return s.use(rows, planKeys(rows, now, s.cfg.SigningKeyTTL).sign)
}

// plan says what is to be done about the keys.
type plan struct {
	create         bool
	sign           string
	retire, forget []string
}

// planKeys looks at the keys, oldest first. The newest that has been published
// long enough signs; before there is one, the oldest.
func planKeys(rows []pgstore.SigningKey, now time.Time, ttl time.Duration) plan {
	p := plan{create: true}
	sign := -1
	for i, k := range rows {
		age := now.Sub(k.CreatedAt)
		if k.RetiredAt == nil && (sign < 0 || age >= announceFor) {
			sign, p.sign = i, k.KID
		}
		if age < ttl && k.RetiredAt == nil {
			p.create = false
		}
		if k.RetiredAt != nil && now.Sub(*k.RetiredAt) >= verifyFor {
			p.forget = append(p.forget, k.KID)
		}
	}
	for i := range rows {
		if i < sign && rows[i].RetiredAt == nil {
			p.retire = append(p.retire, rows[i].KID)
		}
	}
	return p
}

func (s *Signer) make(now time.Time) (*pgstore.SigningKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	raw := make([]byte, 8)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("make key id: %w", err)
	}
	kid := hex.EncodeToString(raw)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	wrapped, err := s.ring.Wrap(der, owner(kid))
	if err != nil {
		return nil, fmt.Errorf("wrap signing key: %w", err)
	}
	return &pgstore.SigningKey{KID: kid, Wrapped: wrapped, CreatedAt: now}, nil
}

func owner(kid string) string { return "signing_key/" + kid }

func (s *Signer) use(rows []pgstore.SigningKey, sign string) error {
	keys := make(map[string]*rsa.PrivateKey, len(rows))
	public := make(map[string]*rsa.PublicKey, len(rows))
	order := make([]string, 0, len(rows))
	for _, row := range rows {
		s.mu.RLock()
		key := s.keys[row.KID]
		s.mu.RUnlock()
		if key == nil {
			var err error
			if key, err = s.unwrap(row); err != nil {
				return err
			}
		}
		keys[row.KID], public[row.KID] = key, &key.PublicKey
		order = append(order, row.KID)
	}
	if keys[sign] == nil {
		return errors.New("signing keys: none may sign")
	}
	jwks, err := token.EncodeJWKS(order, public)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.order, s.current, s.jwks = keys, order, sign, jwks
	return nil
}

func (s *Signer) unwrap(row pgstore.SigningKey) (*rsa.PrivateKey, error) {
	der, err := s.ring.Unwrap(row.Wrapped, owner(row.KID))
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w: was it wrapped with a number that TURNOUT_SECRETS no longer has?", row.KID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.KID, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is not an RSA key", row.KID)
	}
	return key, nil
}
