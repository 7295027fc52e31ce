package command_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/token"
)

func (r *role) login(email, with string) response {
	r.t.Helper()
	return r.do(request{method: "POST", path: "/v1/auth/login", body: map[string]string{"email": email, "password": with}})
}

func (r *role) refresh(text string) response {
	r.t.Helper()
	return r.do(request{method: "POST", path: "/v1/auth/refresh", body: map[string]string{"refresh_token": text}})
}

// A refresh token that comes twice was copied. Whoever uses it second, thief
// or owner, the whole session dies with every token that came of it; other
// sessions of the account live on.
func TestAStolenRefreshTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.signUp("ada@example.org")
	stolen := r.login("ada@example.org", password).want(http.StatusOK).text("refresh_token")
	other := r.login("ADA@example.org", password).want(http.StatusOK).text("refresh_token")

	next := r.refresh(stolen).want(http.StatusOK).text("refresh_token")
	third := r.refresh(next).want(http.StatusOK).text("refresh_token")
	r.refresh(stolen).want(http.StatusUnauthorized, "refresh-token-reused")
	for _, dead := range []string{third, next, stolen} {
		r.refresh(dead).want(http.StatusUnauthorized, "refresh-token-invalid")
	}
	mine := r.refresh(other).want(http.StatusOK).text("refresh_token")

	r.do(request{method: "POST", path: "/v1/auth/logout", body: map[string]string{"refresh_token": mine}}).want(http.StatusNoContent)
	r.refresh(mine).want(http.StatusUnauthorized, "refresh-token-invalid")
	r.refresh("never issued").want(http.StatusUnauthorized, "refresh-token-invalid")
}

// Ten at once with one token: one gets the next token, and then nobody has a session.
func TestARefreshTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.signUp("ada@example.org")
	text := r.login("ada@example.org", password).want(http.StatusOK).text("refresh_token")
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses, next := map[int]int{}, ""
	for range 10 {
		wg.Go(func() {
			got, err := r.try(request{method: "POST", path: "/v1/auth/refresh", body: map[string]string{"refresh_token": text}})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			statuses[got.status]++
			if got.status == http.StatusOK {
				next = got.text("refresh_token")
			}
		})
	}
	wg.Wait()
	if statuses[http.StatusOK] != 1 || statuses[http.StatusUnauthorized] != 9 {
		t.Fatalf("answers by status: %v; one token was good for more than one", statuses)
	}
	r.refresh(next).want(http.StatusUnauthorized)
}

// A thief is just rotating the session's token while its owner signs out, or while a copy of an older token gives the
// theft away: the token that the thief gets is dead with the others.
func TestASessionThatEndsTakesTheTokenJustBeingMadeAlong(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.signUp("ada@example.org")
	for name, end := range map[string]func(old, now string) request{
		"sign out": func(_, now string) request {
			return request{method: "POST", path: "/v1/auth/logout", body: map[string]string{"refresh_token": now}}
		},
		"reuse": func(old, _ string) request {
			return request{method: "POST", path: "/v1/auth/refresh", body: map[string]string{"refresh_token": old}}
		},
	} {
		old := r.login("ada@example.org", password).want(http.StatusOK).text("refresh_token")
		now := r.refresh(old).want(http.StatusOK).text("refresh_token")
		hold, err := r.pool.Begin(t.Context()) // keeps the rotation from its commit: a new token needs its account
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hold.Exec(t.Context(), `SELECT FROM account FOR UPDATE`); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var rotated response
		for i, asked := range []request{
			{method: "POST", path: "/v1/auth/refresh", body: map[string]string{"refresh_token": now}}, end(old, now),
		} {
			wg.Go(func() {
				got, err := r.try(asked)
				if err != nil {
					t.Error(err)
				}
				if i == 0 {
					rotated = got
				}
			})
			r.waiting(i + 1)
		}
		if err := hold.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		next := rotated.want(http.StatusOK).text("refresh_token")
		if got := r.refresh(next); got.status != http.StatusUnauthorized {
			t.Errorf("%s: the token that was being made lives on: %d %s", name, got.status, got.body)
		}
	}
}

// waiting returns when so many statements wait for a lock.
func (r *role) waiting(want int) {
	r.t.Helper()
	testkit.Eventually(r.t, 10*time.Second, 5*time.Millisecond, func() error {
		var n int
		err := r.pool.QueryRow(r.t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		if err != nil || n < want {
			return fmt.Errorf("%d wait for a lock, want %d: %w", n, want, err)
		}
		return nil
	})
}

func TestAccessTokensCarryTheAccountOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("ada@example.org")
	r.do(request{method: "POST", path: "/v1/auth/register", body: map[string]string{
		"email": "Ada@Example.org", "password": password, "name": "Ada"}}).want(http.StatusConflict, "already-registered")

	// Another role verifies with the published keys alone.
	v := token.NewVerifier(r.base+"/.well-known/jwks.json", http.DefaultClient)
	sub, err := v.Verify(t.Context(), strings.TrimPrefix(auth, "Bearer "))
	if err != nil || sub == "" {
		t.Fatalf("sub %q, %v", sub, err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(payloadOf(t, auth), &claims); err != nil {
		t.Fatal(err)
	}
	if len(claims) != 3 || claims["sub"] != sub {
		t.Errorf("claims %v: want sub, iat and exp", claims)
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != (15 * time.Minute).Seconds() {
		t.Errorf("lives %v s", life)
	}
	jwks := string(r.do(request{method: "GET", path: "/.well-known/jwks.json"}).want(http.StatusOK).body)
	if strings.Contains(jwks, `"d"`) || strings.Contains(jwks, `"p"`) {
		t.Errorf("the published keys hold a private part: %s", jwks)
	}
	var stored string
	if err := r.pool.QueryRow(t.Context(), `SELECT password_hash FROM account`).Scan(&stored); err != nil || !strings.HasPrefix(stored, "$argon2id$") {
		t.Errorf("password kept as %q, %v", stored, err)
	}
}

// Wrong passwords are counted, per account, whoever sends them; right ones are not.
func TestGuessingAPasswordIsLimited(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.signUp("ada@example.org")
	r.signUp("bob@example.org")
	for range 8 {
		r.login("ada@example.org", password).want(http.StatusOK)
	}
	for range 5 {
		wrong := r.login("ada@example.org", "not the password").want(http.StatusUnauthorized, "wrong-credentials")
		unknown := r.login("nobody@example.org", "not the password").want(http.StatusUnauthorized, "wrong-credentials")
		if wrong.text("detail") != unknown.text("detail") {
			t.Fatal("the answer tells whether the address has an account")
		}
	}
	limited := r.login("ada@example.org", "not the password").want(http.StatusTooManyRequests, "rate-limited")
	r.login(" ADA@example.org", "not the password").want(http.StatusTooManyRequests)
	r.login("ada@ｅxample。org", "not the password").want(http.StatusTooManyRequests) // the same address, written otherwise
	r.login("bob@example.org", password).want(http.StatusOK)
	if wait, err := strconv.Atoi(limited.header.Get("Retry-After")); err != nil || wait < 1 {
		t.Errorf("Retry-After %q", limited.header.Get("Retry-After"))
	}
	if got := limited.header.Get("RateLimit-Policy"); !strings.Contains(got, `"login-address";q=5;w=3600`) {
		t.Errorf("RateLimit-Policy %q", got)
	}
	if got := limited.header.Get("RateLimit"); !strings.Contains(got, `"login-address";r=0;t=`) {
		t.Errorf("RateLimit %q", got)
	}
}

// Guesses that come at once are as few as those that come one by one, whoever of them is checked first.
func TestGuessesAtOnceAreLimitedToo(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.signUp("ada@example.org")
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for range 30 {
		wg.Go(func() {
			got, err := r.try(request{method: "POST", path: "/v1/auth/login",
				body: map[string]string{"email": "ada@example.org", "password": "not the password"}})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if statuses[http.StatusUnauthorized] != 5 || statuses[http.StatusTooManyRequests] != 25 {
		t.Errorf("answers by status: %v; 5 guesses are allowed", statuses)
	}
}

// Who is over the limit of their network address is refused for that: no address that they make up is remembered.
func TestAFloodOfSignInsIsRefusedByItsClientFirst(t *testing.T) {
	t.Parallel()
	r := start(t, func(cfg *command.Config, _ *command.Deps) {
		cfg.Limits.LoginClient, cfg.Limits.LoginAddress = limit.Rate{N: 2, Per: time.Hour}, limit.Rate{N: 2, Per: time.Hour}
	})
	for range 2 {
		r.login("ada@example.org", "not the password").want(http.StatusUnauthorized)
	}
	if got := r.login("ada@example.org", "not the password").want(http.StatusTooManyRequests); got.text("policy") != "login-client" {
		t.Errorf("refused by %s", got.body)
	}
}

// A restart keeps sessions and keys.
func TestSessionsSurviveARestart(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("ada@example.org")
	text := r.login("ada@example.org", password).want(http.StatusOK).text("refresh_token")
	again := r.again()
	again.refresh(text).want(http.StatusOK)
	again.organization(auth) // signed by the role that was there before
	var keys int
	if err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM signing_key`).Scan(&keys); err != nil || keys != 1 {
		t.Errorf("%d signing keys, %v: a restart made another", keys, err)
	}
}

// The key that signs changes with nobody being signed out: the next one is
// published before it signs, the last one until its tokens have run out.
func TestSigningKeysChangeWhileTokensLive(t *testing.T) {
	t.Parallel()
	r := start(t)
	before := r.signUp("ada@example.org")
	age := func(sql string) {
		if _, err := r.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	age(`UPDATE signing_key SET created_at = created_at - interval '31 days'`)
	announcing := r.again()
	if n, signer, _ := announcing.signing(); n != 2 || signer != "test" {
		t.Fatalf("due to change: %d keys, %s signs; want the old one to sign beside a new one", n, signer)
	}
	age(`UPDATE signing_key SET created_at = created_at - interval '11 minutes' WHERE kid <> 'test'`)
	signing := r.again()
	if n, signer, _ := signing.signing(); n != 2 || signer == "test" {
		t.Fatalf("announced long enough: %d keys, %s signs; want the new one", n, signer)
	}
	signing.organization(before) // signed by the old key
	announcing.organization("Bearer " + signing.login("ada@example.org", password).text("access_token"))
	age(`UPDATE signing_key SET retired_at = retired_at - interval '3 hours' WHERE kid = 'test'`)
	later := r.again()
	if n, signer, _ := later.signing(); n != 1 || signer == "test" {
		t.Fatalf("after its tokens have run out: %d keys, %s signs", n, signer)
	}
	later.do(request{method: "POST", path: "/v1/organizations", auth: before, body: map[string]string{"name": "X", "slug": "x"}}).want(http.StatusUnauthorized)
}

// signing is how many keys the role publishes, and which of them signs the access token that it gives.
func (r *role) signing() (published int, signer, access string) {
	r.t.Helper()
	got := r.do(request{method: "GET", path: "/.well-known/jwks.json"}).want(http.StatusOK)
	keys, _ := got.json()["keys"].([]any)
	access = r.login("ada@example.org", password).want(http.StatusOK).text("access_token")
	head, _, _ := strings.Cut(access, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		r.t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(raw, &header); err != nil {
		r.t.Fatal(err)
	}
	return len(keys), header.Kid, access
}

// looked returns when the role has looked at its keys since the call: twice it waits for the lock that a look takes, and
// the second time the first look is over.
func (r *role) looked() {
	r.t.Helper()
	for range 2 {
		tx, err := r.pool.Begin(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := tx.Exec(r.t.Context(), `SELECT pg_advisory_xact_lock($1)`, postgres.LockKey("turnout signing keys")); err != nil {
			r.t.Fatal(err)
		}
		r.waiting(1)
		if err := tx.Rollback(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// A role that runs changes its key by itself, as one that starts does: the next one is published before it signs, and the
// last one until no token of it can live.
func TestARunningRoleChangesItsSigningKey(t *testing.T) {
	t.Parallel()
	r := start(t, func(cfg *command.Config, _ *command.Deps) { cfg.Accounts.LookAgain = 5 * time.Millisecond })
	before := strings.TrimPrefix(r.signUp("ada@example.org"), "Bearer ")
	for _, step := range []struct {
		name, age string
		published int
		old       bool // the first key signs
		good      bool // its tokens are good
	}{
		{"at first", ``, 1, true, true},
		{"before it is due", `UPDATE signing_key SET created_at = created_at - interval '29 days'`, 1, true, true},
		{"due to change", `UPDATE signing_key SET created_at = created_at - interval '2 days'`, 2, true, true},
		{"not announced long enough", `UPDATE signing_key SET created_at = created_at - interval '9 minutes' WHERE kid <> 'test'`, 2, true, true},
		{"announced long enough", `UPDATE signing_key SET created_at = created_at - interval '2 minutes' WHERE kid <> 'test'`, 2, false, true},
		{"while a token may live", `UPDATE signing_key SET retired_at = retired_at - interval '61 minutes' WHERE kid = 'test'`, 2, false, true},
		{"when none can", `UPDATE signing_key SET retired_at = retired_at - interval '1 hour' WHERE kid = 'test'`, 1, false, false},
	} {
		if _, err := r.pool.Exec(t.Context(), step.age); err != nil {
			t.Fatal(err)
		}
		r.looked()
		n, signer, now := r.signing()
		if n != step.published || (signer == "test") != step.old {
			t.Errorf("%s: %d keys, %s signs; want %d, the old one to sign: %t", step.name, n, signer, step.published, step.old)
		}
		anew := token.NewVerifier(r.base+"/.well-known/jwks.json", http.DefaultClient) // whoever fetches the keys now
		if _, err := anew.Verify(t.Context(), now); err != nil {
			t.Errorf("%s: a token made now: %v", step.name, err)
		}
		if _, err := anew.Verify(t.Context(), before); (err == nil) != step.good {
			t.Errorf("%s: a token of the old key: %v, want it good: %t", step.name, err, step.good)
		}
	}
}
