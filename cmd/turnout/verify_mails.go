package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/query/reader"
)

// mailSQL counts in the notifier's own rows what docs/analytics.md defines as
// the outcome of mail.
const mailSQL = `
SELECT organization_id::text, event_id::text, kind, state, count(*)
FROM notifier.notification WHERE channel = 'mail' AND finished_at IS NOT NULL
GROUP BY 1, 2, 3, 4`

// mailKey is an organization, or an event of it ("" for the whole), and a kind.
type mailKey struct{ org, event, kind string }

// compareMails compares the mail figures of every organization and every event
// with a plain count of the notifier's rows.
func (r *analyticsReport) compareMails(ctx context.Context, pool *pgxpool.Pool, stores *reader.Stores) error {
	rows, err := pool.Query(ctx, mailSQL)
	if err != nil {
		return err
	}
	want := map[mailKey]reader.Mails{}
	owners := map[flowKey]bool{}
	var k mailKey
	var state string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&k.org, &k.event, &k.kind, &state, &n}, func() error {
		for _, event := range []string{k.event, ""} {
			key := mailKey{k.org, event, k.kind}
			m := want[key]
			m.Kind = k.kind
			m.Add(state, n)
			want[key], owners[flowKey{k.org, event}] = m, true
		}
		return nil
	}); err != nil {
		return err
	}
	for owner := range owners {
		found, err := stores.Mails(ctx, reader.FactsQuery{Organization: owner.org, Event: owner.part})
		if err != nil {
			return err
		}
		for _, got := range found {
			key := mailKey{owner.org, owner.part, got.Kind}
			r.compareMail(key, got, want[key])
			delete(want, key)
		}
	}
	for key, rest := range want {
		r.compareMail(key, reader.Mails{Kind: key.kind}, rest)
	}
	return nil
}

func (r *analyticsReport) compareMail(key mailKey, got, want reader.Mails) {
	r.Figures += 5
	want.Kind = got.Kind
	if got != want {
		r.Differ = append(r.Differ, fmt.Sprintf("mail of organization %s, event %q: analytics %+v, rows %+v", key.org, key.event, got, want))
	}
}
