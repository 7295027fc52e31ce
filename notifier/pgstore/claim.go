package pgstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Claim takes at most limit notices of a channel that are due at now, lane by
// lane (without lanes: all of them), each with a lease. Rows that another
// notifier is claiming are skipped.
func (s *Store) Claim(ctx context.Context, channel, by string, now time.Time, lease time.Duration, limit int, lanes ...notice.Lane,
) ([]notice.Notice, error) {
	if len(lanes) == 0 {
		lanes = notice.Lanes
	}
	// One probe of the partial index per lane, in the lanes' order: a plain
	// ORDER BY lane, next_at would walk past everything planned for later in
	// each of them. The outer limit stops the probes, and their row locks.
	rows, err := s.pool.Query(ctx, `
		WITH due AS (
			SELECT d.id FROM unnest($1::smallint[]) AS l(lane) CROSS JOIN LATERAL (
				SELECT id FROM notifier.notification
				WHERE state IN ('planned', 'failed') AND channel = $2 AND lane = l.lane AND next_at <= $3
				ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED) AS d
			LIMIT $4)
		UPDATE notifier.notification n SET state = 'claimed', fence = n.fence + 1, claimed_by = $5, lease_until = $6
		FROM due WHERE n.id = due.id
		RETURNING `+noticeColumns, lanes, channel, now, limit, by, now.Add(lease))
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	claimed, err := collectNotices(rows)
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	slices.SortStableFunc(claimed, func(a, b notice.Notice) int {
		return cmp.Or(a.Kind.Lane().Before(b.Kind.Lane()), a.DueAt.Compare(b.DueAt))
	})
	return claimed, nil
}

// Prolong lets the leases of what by has claimed end a whole one from now, of
// those that have less than half of it left. What is locked is being recorded.
func (s *Store) Prolong(ctx context.Context, ids []string, by string, now time.Time, lease time.Duration) error {
	_, err := s.pool.Exec(ctx, `
		WITH mine AS (
			SELECT id FROM notifier.notification
			WHERE id = ANY($1::uuid[]) AND claimed_by = $2 AND state || '' = 'claimed' AND lease_until < $3 FOR UPDATE SKIP LOCKED)
		UPDATE notifier.notification n SET lease_until = $4 FROM mine WHERE n.id = mine.id`, ids, by, now.Add(lease/2), now.Add(lease))
	if err != nil {
		return fmt.Errorf("prolong leases: %w", err)
	}
	return nil
}

// Reclaim puts back what was claimed under a lease that is over: its holder
// died or hangs. What is among held stays as it is. It returns how many.
func (s *Store) Reclaim(ctx context.Context, now time.Time, held []string) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		WITH lost AS (
			SELECT id FROM notifier.notification WHERE state = 'claimed' AND lease_until < $1 AND id <> ALL(coalesce($2::uuid[], '{}'))
			ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED)
		UPDATE notifier.notification n
		SET state = CASE WHEN attempts > 0 THEN 'failed' ELSE 'planned' END, outcome = 'lease of ' || claimed_by || ' ended'
		FROM lost WHERE n.id = lost.id`, now, held)
	if err != nil {
		return 0, fmt.Errorf("take back lost leases: %w", err)
	}
	return tag.RowsAffected(), nil
}

// Result is what became of a claimed notice.
type Result struct {
	ID       string
	Fence    int64
	State    notice.State // sent, failed, dead, void, or planned: put back untried
	Outcome  string
	NextAt   time.Time // of the next try; zero keeps it
	Hold     bool      // nobody claims it until it is released
	Tried    bool      // counts as an attempt
	Refused  bool      // for good, or nobody knows: counts as a refusal
	Finished time.Time // zero while not final
}

// Record writes results. One whose lease was lost meanwhile changes nothing:
// the fence has grown. It returns how many were written.
func (s *Store) Record(ctx context.Context, results []Result) (int64, error) {
	n := len(results)
	ids, fences, states, outcomes := make([]string, n), make([]int64, n), make([]string, n), make([]string, n)
	next, finished, tried, refused := make([]timestamp, n), make([]timestamp, n), make([]int16, n), make([]int16, n)
	for i, r := range results {
		ids[i], fences[i], states[i], outcomes[i] = r.ID, r.Fence, string(r.State), r.Outcome
		next[i], finished[i] = orNull(r.NextAt), orNull(r.Finished)
		if r.Hold {
			next[i] = never
		}
		tried[i], refused[i] = count(r.Tried), count(r.Refused)
	}
	var written int64
	err := s.pool.QueryRow(ctx, record, ids, fences, states, outcomes, next, finished, tried, refused).Scan(&written)
	if err != nil {
		return 0, fmt.Errorf("record %d results: %w", n, err)
	}
	return written, nil
}

// The state is compared so that no index fits: the planner believes that next
// to nothing is claimed, and read the index of the leases for every result,
// with all that had been claimed since the last vacuum (10 ms for 56 rows).
// What ends a notice is told here, all at once, which the trigger of migration
// 0019 takes from outcome_version; other states are the trigger's as ever.
// What is put back to be held wakes its organization: the campaign may have gone
// on since it was found paused, and whoever released then saw it on its way.
const record = `
	WITH done AS (
		UPDATE notifier.notification n
		SET state = r.state, outcome = r.outcome, next_at = coalesce(r.next, n.next_at), finished_at = r.finished,
			attempts = n.attempts + r.tried, refusals = n.refusals + r.refused, lease_until = NULL,
			outcome_version = n.outcome_version + (r.state IN ('sent', 'dead', 'void'))::integer
		FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::smallint[], $8::smallint[])
			AS r(id, fence, state, outcome, next, finished, tried, refused)
		WHERE n.id = r.id AND n.fence = r.fence AND n.state || '' = 'claimed'
		RETURNING n.id, n.outcome_version, n.state, n.outcome, n.attempts, n.due_at, n.finished_at, n.organization_id, n.next_at),
	told AS (
		INSERT INTO notifier.outbox (notification_id, version, state, outcome, attempts, due_at, finished_at)
		SELECT id, outcome_version, state, outcome, attempts, due_at, finished_at FROM done WHERE state IN ('sent', 'dead', 'void')),
	woken AS (
		INSERT INTO notifier.bulk (organization_id, check_at)
		SELECT DISTINCT organization_id, '-infinity'::timestamptz FROM done WHERE next_at = 'infinity' ORDER BY 1
		ON CONFLICT (organization_id) DO UPDATE SET check_at = '-infinity')
	SELECT count(*) FROM done`

func count(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

const noticeColumns = `n.id, n.event_id, n.organization_id, coalesce(n.rsvp_id::text, ''), coalesce(n.account_id::text, ''), n.kind, n.channel, n.occurrence, n.due_at, n.useful_until,
	n.epoch, n.state, n.reason, n.cause_type, n.cause_version, n.detail, n.planned_at, n.outcome, n.attempts, n.refusals,
	n.fence, n.lease_until, n.finished_at`

func collectNotices(rows pgx.Rows) ([]notice.Notice, error) {
	var (
		out                     []notice.Notice
		n                       notice.Notice
		useful, lease, finished timestamp
		detail                  []byte
	)
	_, err := pgx.ForEachRow(rows, []any{
		&n.ID, &n.EventID, &n.OrganizationID, &n.RSVPID, &n.AccountID, &n.Kind, &n.Channel, &n.Occurrence, &n.DueAt, &useful,
		&n.Epoch, &n.State, &n.Reason, &n.CauseType, &n.CauseVersion, &detail, &n.PlannedAt, &n.Outcome, &n.Attempts, &n.Refusals,
		&n.Fence, &lease, &finished,
	}, func() error {
		one := n
		one.Detail = notice.Detail{}
		one.DueAt, one.PlannedAt = n.DueAt.UTC(), n.PlannedAt.UTC()
		one.UsefulUntil, one.LeaseUntil, one.FinishedAt = value(useful), value(lease), value(finished)
		if err := json.Unmarshal(detail, &one.Detail); err != nil {
			return fmt.Errorf("detail of notice %s: %w", n.ID, err)
		}
		out = append(out, one)
		return nil
	})
	return out, err
}

// Backlog counts what is due at now and waits, up to 10,000, and tells since
// when the oldest of it is due (zero: nothing is).
func (s *Store) Backlog(ctx context.Context, now time.Time) (due int64, oldest time.Time, err error) {
	var at timestamp
	err = s.pool.QueryRow(ctx, `
		SELECT count(*), min(due_at) FROM (
			SELECT due_at FROM notifier.notification
			WHERE state IN ('planned', 'failed') AND channel = ANY($2::text[]) AND lane = ANY($3::smallint[]) AND next_at <= $1 LIMIT 10000) AS d`,
		now, []string{notice.ChannelMail, notice.ChannelPush}, notice.Lanes).Scan(&due, &at)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("backlog: %w", err)
	}
	return due, value(at), nil
}
