package notifier

import (
	"context"
	"errors"
	"testing"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// Messages about organizations from before 0017 do not come again: their
// members are taken from the write store, of organizations that are known.
func TestMembersFromBeforeTheMigrationGetMailToo(t *testing.T) {
	t.Parallel()
	url := testkit.Database(t, func(ctx context.Context, url string) error {
		_, err := postgres.MigrateTo(ctx, url, migrations.FS, 16)
		return err
	})
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	known, unknown, account := newID(t), newID(t), newID(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO account (id, email_hmac, sealed, password_hash, created_at) VALUES ($1, 'h', 'ciphertext', '', now())`, account)
	for _, org := range []string{known, unknown} {
		exec(`INSERT INTO organization (id, slug, body, version, chain, recorded_at, created_at) VALUES ($1::uuid, $1::uuid::text, '{}', 1, '', now(), now())`, org)
		exec(`INSERT INTO member (organization_id, account_id, role, created_at) VALUES ($1, $2, 'owner', now())`, org, account)
	}
	exec(`INSERT INTO notifier.organization (id, version, body) VALUES ($1, 1, '{}')`, known)
	if err := postgres.Migrate(t.Context(), url, migrations.FS); err != nil {
		t.Fatal(err)
	}
	store := pgstore.New(pool)
	m, err := store.Member(t.Context(), known, account)
	if err != nil || m.Role != "owner" || string(m.Sealed) != "ciphertext" || m.Choice != notice.AsBefore {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := store.Member(t.Context(), unknown, account); !errors.Is(err, pgstore.ErrNotFound) {
		t.Errorf("one whose organization's message is still to come: %v", err)
	}
	// And back, with what the release has written.
	exec(`INSERT INTO notifier.notification (id, event_id, organization_id, account_id, kind, channel, occurrence, lane, due_at, next_at, epoch, state, reason,
		cause_type, cause_version, detail, planned_at) VALUES ($1, $1, $2, $3, 'digest', 'mail', '', 3, now(), now(), 0, 'planned', '', '', 1, '{}', now())`,
		newID(t), known, account)
	if _, err := postgres.MigrateTo(t.Context(), url, migrations.FS, 16); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), url, migrations.FS); err != nil {
		t.Fatal(err)
	}
}
