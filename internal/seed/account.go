package seed

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// refreshBefore is how long before its end an access token is renewed.
const refreshBefore = 2 * time.Minute

// Account is the organizer who loads. Safe for concurrent use.
type Account struct {
	api             *API
	email, password string
	now             func() time.Time

	// id is the account's, as the access token says it (its sub): another
	// database has given another one.
	id string

	mu      sync.Mutex
	access  string
	refresh string
	until   time.Time
}

type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Name     string `json:"name,omitempty"`
}

// NewAccount signs in, or registers first.
func NewAccount(ctx context.Context, api *API, email, password string, now func() time.Time) (*Account, error) {
	a := &Account{api: api, email: email, password: password, now: now}
	err := a.login(ctx)
	if r := refusalOf(err); r == nil || (r.Status != http.StatusUnauthorized && r.Status != http.StatusNotFound) {
		return a, err
	}
	var t tokens
	err = api.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/auth/register",
		Body: credentials{Email: email, Password: password, Name: "Demo organizer"}}, &t)
	if r := refusalOf(err); r != nil && r.Status == http.StatusConflict {
		return nil, fmt.Errorf("%s is registered with another password: give it with --password", email)
	}
	if err != nil {
		return nil, fmt.Errorf("registering %s: %w", email, err)
	}
	if t.Access == "" {
		return a, a.login(ctx)
	}
	a.take(t)
	return a, nil
}

func (a *Account) login(ctx context.Context) error {
	var t tokens
	err := a.api.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/auth/login",
		Body: credentials{Email: a.email, Password: a.password}}, &t)
	if err != nil {
		return fmt.Errorf("signing in as %s: %w", a.email, err)
	}
	a.take(t)
	return nil
}

func (a *Account) take(t tokens) {
	a.access, a.refresh = t.Access, t.Refresh
	a.until = a.now().Add(time.Duration(t.ExpiresIn) * time.Second)
	a.id = subject(t.Access)
}

// subject reads the sub of a JWT (RFC 7519) without checking anything: it only
// names a file. A token of another kind has none.
func subject(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Subject
}

// bearer gives a token that still lives, renewing it when its end is near.
// One caller renews, the others wait for it: a refresh token used twice would
// end the session.
func (a *Account) bearer(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now().Add(refreshBefore).Before(a.until) {
		return "Bearer " + a.access, nil
	}
	var t tokens
	err := a.api.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/auth/refresh",
		Body: map[string]string{"refresh_token": a.refresh}}, &t)
	switch {
	case err == nil && t.Access != "":
		a.take(t)
	case refusalOf(err) != nil || err == nil:
		if err := a.login(ctx); err != nil {
			return "", err
		}
	default:
		return "", err
	}
	return "Bearer " + a.access, nil
}

// Do is API.Do as the organizer.
func (a *Account) Do(ctx context.Context, q Request, out any) error {
	var err error
	if q.Authorization, err = a.bearer(ctx); err != nil {
		return err
	}
	return a.api.Do(ctx, q, out)
}

type organization struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
}

// Organization finds or makes the organization that holds a source's events.
func (a *Account) Organization(ctx context.Context, source string) (string, error) {
	slug := slugOf(source)
	owner := sum("owner", a.email)
	// The plain slug may be somebody else's; the second is surely ours.
	for _, s := range []string{slug, slug + "-" + hex.EncodeToString(owner[:4])} {
		id, err := a.organization(ctx, nameOf(source), s)
		if !errors.Is(err, errNotOurs) {
			return id, err
		}
	}
	return "", fmt.Errorf("the organization %q belongs to another account", slug)
}

var errNotOurs = errors.New("the slug is another account's")

func (a *Account) organization(ctx context.Context, name, slug string) (string, error) {
	var made organization
	err := a.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/organizations",
		Body: map[string]string{"name": name, "slug": slug}}, &made)
	r := refusalOf(err)
	if err == nil || r == nil || r.Status != http.StatusConflict {
		return made.ID, err
	}
	// Memberships reach the read side a moment after the write.
	for range 10 {
		var mine struct {
			Items []organization `json:"items"`
		}
		if err := a.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/organizations?limit=100"}, &mine); err != nil {
			return "", fmt.Errorf("looking for the organization %q: %w", slug, err)
		}
		for _, o := range mine.Items {
			if o.Slug == slug {
				return o.ID, nil
			}
		}
		if err := sleep(ctx, 300*time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", errNotOurs
}

// slugOf makes ASCII letters, digits and single hyphens of a name.
func slugOf(name string) string {
	words := strings.FieldsFunc(foldAccents(name), func(r rune) bool {
		return r > unicode.MaxASCII || (!unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	if len(words) == 0 {
		return "events"
	}
	return strings.Join(words, "-")
}

// foldAccents lowers the case and takes the marks off: Ünï becomes uni.
func foldAccents(s string) string {
	fold := transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC)
	plain, _, err := transform.String(fold, strings.ToLower(s))
	if err != nil {
		return s
	}
	return plain
}

// nameOf makes a title of a source: harbour-stage becomes Harbour Stage.
func nameOf(source string) string {
	words := strings.FieldsFunc(source, func(r rune) bool { return r == '-' || r == '_' || r == ' ' })
	for i, w := range words {
		first := []rune(w)
		first[0] = unicode.ToUpper(first[0])
		words[i] = string(first)
	}
	if len(words) == 0 {
		return "Events"
	}
	return strings.Join(words, " ")
}
