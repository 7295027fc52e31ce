// Package account is who signs in: accounts, their sessions, the keys that
// their tokens are signed with, organizations and who belongs to them.
package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
)

// The refusals of signing up and signing in.
var (
	ErrTaken       = fault.New(fault.Conflict, "already-registered", "This address has an account")
	ErrCredentials = fault.New(fault.Unauthorized, "wrong-credentials", "Address and password do not fit")
	ErrRefresh     = fault.New(fault.Unauthorized, "refresh-token-invalid", "The session has ended: sign in again")
	ErrReused      = fault.New(fault.Unauthorized, "refresh-token-reused", "The refresh token was used before: its session is over")
)

// Config sets how long things live.
type Config struct {
	// AccessTTL is how long an access token is good.
	AccessTTL time.Duration `env:"TURNOUT_ACCESS_TTL" envDefault:"15m"`
	// RefreshTTL is how long a session lives without being used.
	RefreshTTL time.Duration `env:"TURNOUT_REFRESH_TTL" envDefault:"720h"`
	// SigningKeyTTL is how long a key signs access tokens before the next one does.
	SigningKeyTTL time.Duration `env:"TURNOUT_SIGNING_KEY_TTL" envDefault:"720h"`
	// LookAgain is how often the keys are looked at, which another process may have changed. 0 means a minute, which is
	// what announceFor allows for; tests look sooner.
	LookAgain time.Duration
}

// Validate says what is wrong with the settings, in one line.
func (c Config) Validate() error {
	switch {
	case c.AccessTTL < time.Minute || c.AccessTTL > time.Hour:
		return errors.New("account: TURNOUT_ACCESS_TTL must be from 1m to 1h")
	case c.RefreshTTL <= c.AccessTTL:
		return errors.New("account: TURNOUT_REFRESH_TTL must be longer than TURNOUT_ACCESS_TTL")
	case c.SigningKeyTTL < 24*time.Hour:
		return errors.New("account: TURNOUT_SIGNING_KEY_TTL must be at least 24h")
	}
	return nil
}

// Accounts signs up and signs in. Safe for concurrent use.
type Accounts struct {
	cfg    Config
	store  *pgstore.Accounts
	ring   *seal.Keyring
	hasher *hasher
	signer *Signer
}

// NewAccounts takes its signing keys from signer.
func NewAccounts(cfg Config, store *pgstore.Accounts, ring *seal.Keyring, signer *Signer) (*Accounts, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h, err := newHasher(max(1, runtime.GOMAXPROCS(0)))
	if err != nil {
		return nil, err
	}
	return &Accounts{cfg: cfg, store: store, ring: ring, hasher: h, signer: signer}, nil
}

// Tokens are what a sign-in gives.
type Tokens struct {
	AccountID string
	Access    string
	Refresh   string
	ExpiresIn time.Duration // of Access
}

// Limits of what may be typed. A password has no upper bound of taste, only one of cost.
const (
	maxName     = 200
	minPassword = 8
	maxPassword = 256
)

// Register makes an account and signs it in.
func (a *Accounts) Register(ctx context.Context, email, password, name string, now time.Time) (Tokens, error) {
	normalized, err := seal.NormalizeEmail(email)
	if err != nil {
		return Tokens{}, fault.ErrInvalid.About(fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
	}
	if fields := checkRegistration(password, name); len(fields) > 0 {
		return Tokens{}, fault.ErrInvalid.About(fields...)
	}
	row := pgstore.Account{EmailHMAC: a.ring.EmailHMAC(normalized), CreatedAt: now}
	// The cheap look first: a hash costs 19 MiB and tens of milliseconds.
	if _, err := a.store.ByEmail(ctx, row.EmailHMAC); !errors.Is(err, pgstore.ErrNone) {
		if err == nil {
			err = ErrTaken
		}
		return Tokens{}, err
	}
	if row.ID, err = id.New(); err != nil {
		return Tokens{}, err
	}
	if err := a.seal(&row, contract.MemberPersonal{Name: strings.TrimSpace(name), Email: strings.TrimSpace(email)}); err != nil {
		return Tokens{}, err
	}
	if row.PasswordHash, err = a.hasher.hash(ctx, password); err != nil {
		return Tokens{}, err
	}
	if err := a.store.Insert(ctx, row); err != nil {
		if errors.Is(err, pgstore.ErrTaken) {
			return Tokens{}, ErrTaken
		}
		return Tokens{}, err
	}
	return a.signIn(ctx, row.ID, now)
}

func checkRegistration(password, name string) (fields []fault.Field) {
	if n := utf8.RuneCountInString(password); n < minPassword || len(password) > maxPassword {
		fields = append(fields, fault.Field{Pointer: "/password", Detail: fmt.Sprintf("must have %d to %d characters", minPassword, maxPassword)})
	}
	if detail := checkLine(name, 1, maxName); detail != "" {
		fields = append(fields, fault.Field{Pointer: "/name", Detail: detail})
	}
	return fields
}

func (a *Accounts) seal(row *pgstore.Account, who contract.MemberPersonal) error {
	key, err := seal.NewKey()
	if err != nil {
		return err
	}
	plain, err := json.Marshal(who)
	if err != nil {
		return err
	}
	if row.Sealed, err = seal.Seal(key, plain, row.ID); err != nil {
		return err
	}
	row.WrappedKey, err = a.ring.Wrap(key, row.ID)
	return err
}

// Login checks the password and starts a session. An unknown address takes as
// long as a wrong password and gets the same answer.
func (a *Accounts) Login(ctx context.Context, email, password string, now time.Time) (Tokens, error) {
	row := pgstore.Account{PasswordHash: a.hasher.decoy}
	if normalized, err := seal.NormalizeEmail(email); err == nil {
		found, err := a.store.ByEmail(ctx, a.ring.EmailHMAC(normalized))
		switch {
		case err == nil && found.WrappedKey != nil:
			row = found
		case err != nil && !errors.Is(err, pgstore.ErrNone):
			return Tokens{}, err
		}
	}
	if len(password) > maxPassword {
		password = password[:maxPassword+1] // never fits, and never costs more
	}
	ok, stale, err := a.hasher.verify(ctx, password, row.PasswordHash)
	switch {
	case err != nil:
		return Tokens{}, fmt.Errorf("check password: %w", err)
	case !ok || row.ID == "":
		return Tokens{}, ErrCredentials
	}
	if stale {
		hash, err := a.hasher.hash(ctx, password)
		if err != nil {
			return Tokens{}, err
		}
		if err := a.store.SetPassword(ctx, row.ID, hash); err != nil {
			return Tokens{}, err
		}
	}
	return a.signIn(ctx, row.ID, now)
}

func (a *Accounts) signIn(ctx context.Context, accountID string, now time.Time) (Tokens, error) {
	family, err := id.New()
	if err != nil {
		return Tokens{}, err
	}
	next, text, err := a.newRefresh(now)
	if err != nil {
		return Tokens{}, err
	}
	next.Family, next.AccountID = family, accountID
	if err := a.store.InsertRefresh(ctx, next); err != nil {
		return Tokens{}, err
	}
	return a.tokens(accountID, text, now)
}

// Refresh takes a refresh token once and gives the next one. Using one twice
// ends the session: it is the sign of a stolen copy (RFC 9700, 4.14.2).
func (a *Accounts) Refresh(ctx context.Context, refresh string, now time.Time) (Tokens, error) {
	next, text, err := a.newRefresh(now)
	if err != nil {
		return Tokens{}, err
	}
	accountID, outcome, err := a.store.Rotate(ctx, hashRefresh(refresh), next)
	switch {
	case err != nil:
		return Tokens{}, err
	case outcome == pgstore.RefreshReused:
		return Tokens{}, ErrReused
	case outcome == pgstore.RefreshUnknown:
		return Tokens{}, ErrRefresh
	}
	return a.tokens(accountID, text, now)
}

// Logout ends the session of a refresh token; one that is unknown has ended already.
func (a *Accounts) Logout(ctx context.Context, refresh string) error {
	return a.store.EndFamily(ctx, hashRefresh(refresh))
}

func (a *Accounts) tokens(accountID, refresh string, now time.Time) (Tokens, error) {
	access, err := a.signer.Sign(accountID, now, a.cfg.AccessTTL)
	return Tokens{AccountID: accountID, Access: access, Refresh: refresh, ExpiresIn: a.cfg.AccessTTL}, err
}

// newRefresh makes 256 random bits. Only their hash is stored: whoever reads
// the table cannot sign in. A plain hash will do, there is nothing to guess.
func (a *Accounts) newRefresh(now time.Time) (pgstore.RefreshToken, string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return pgstore.RefreshToken{}, "", fmt.Errorf("random refresh token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	return pgstore.RefreshToken{Hash: hashRefresh(text), IssuedAt: now, ExpiresAt: now.Add(a.cfg.RefreshTTL)}, text, nil
}

func hashRefresh(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
