// Package audit replays the log and compares it with everything that was made of it. It reads one snapshot, takes no
// lock and may run while the system works. What it checks, for every event: versions are contiguous, the hash chain is
// whole, times do not go back, each state follows from the one before by the table of the rules, counters are what the
// RSVPs add up to, capacity holds at every version, and rows are what the last messages say.
package audit

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// The checks, as a report names them.
const (
	CheckVersions     = "versions"     // from 1, each one more than the last
	CheckChain        = "chain"        // every hash follows from the one before
	CheckTimes        = "times"        // recorded_at never goes back
	CheckPayload      = "payload"      // every message can be read and is about this event
	CheckStates       = "states"       // every move stands in the table of the rules
	CheckCounters     = "counters"     // counters are what the RSVPs add up to
	CheckCapacity     = "capacity"     // nobody is seated beyond the capacity, at any version
	CheckRows         = "rows"         // the tables are what the log says
	CheckKeys         = "keys"         // a data key for every RSVP that is not erased, and none for one that is
	CheckOutbox       = "outbox"       // what is not published yet points at a message
	CheckAcknowledged = "acknowledged" // what a client was told is in the log
)

// Finding is something that is not as it must be.
type Finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject"` // event or organization
	Version int64  `json:"version,omitempty"`
	Detail  string `json:"detail"`
}

// Report is what an audit saw.
type Report struct {
	Events        int            `json:"events"`
	Organizations int            `json:"organizations"`
	Messages      int64          `json:"messages"`
	RSVPs         int64          `json:"rsvps"`
	Acknowledged  int            `json:"acknowledged"` // of the client's ledger
	Wrong         map[string]int `json:"wrong"`        // findings per check
	Findings      []Finding      `json:"findings"`     // the first MaxFindings

	mu sync.Mutex
}

// MaxFindings bounds a report; Wrong counts all.
const MaxFindings = 1000

// NewReport is empty.
func NewReport() *Report { return &Report{Wrong: map[string]int{}, Findings: []Finding{}} }

// Add notes a finding. It is safe for concurrent use.
func (r *Report) Add(check, subject string, version int64, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Wrong[check]++
	if len(r.Findings) < MaxFindings {
		r.Findings = append(r.Findings, Finding{check, subject, version, fmt.Sprintf(format, args...)})
	}
}

// Failed tells whether anything is wrong.
func (r *Report) Failed() bool { return len(r.Wrong) > 0 }

// Options of an audit.
type Options struct {
	// Workers read the snapshot side by side; 0 means 2.
	Workers int
	// Ledger is what clients were told: each entry must be in the log.
	Ledger []Acknowledged
	// Each gets every event after its log was read, concurrently.
	Each func(Event)
	// Organization gets every organization after its log was read, with the chain that its log has (see Event.Chain).
	Organization func(id string, chain [][]byte)
}

// Acknowledged is an answer that a client got.
type Acknowledged struct {
	EventID string `json:"event_id"`
	RSVPID  string `json:"rsvp_id"`
	Version int64  `json:"version"`
	Status  string `json:"status,omitempty"` // "": any
}

// Run audits the whole database into the report. The error is about reading, not about what was found.
func Run(ctx context.Context, pool *pgxpool.Pool, report *Report, o Options) error {
	if o.Workers <= 0 {
		o.Workers = 2
	}
	tx, err := pool.BeginTx(ctx, snapshotOptions)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	var snapshot string
	if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
		return fmt.Errorf("export the snapshot: %w", err)
	}
	events, err := column(ctx, tx, "SELECT event_id::text FROM event_counter ORDER BY event_id")
	if err != nil {
		return err
	}
	ledger := map[string][]Acknowledged{}
	for _, a := range o.Ledger {
		ledger[a.EventID] = append(ledger[a.EventID], a)
	}
	report.Acknowledged = len(o.Ledger)
	work := make(chan string)
	group, inGroup := errgroup.WithContext(ctx)
	for range o.Workers {
		group.Go(func() error { return worker(inGroup, pool, snapshot, work, ledger, report, o.Each) })
	}
	group.Go(func() error {
		defer close(work)
		for _, e := range events {
			select {
			case work <- e:
			case <-inGroup.Done():
				return inGroup.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	report.Events = len(events)
	unknown(events, ledger, report)
	if err := strays(ctx, tx, report); err != nil {
		return err
	}
	return organizations(ctx, tx, report, o.Organization)
}

var snapshotOptions = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

func worker(ctx context.Context, pool *pgxpool.Pool, snapshot string, work <-chan string, ledger map[string][]Acknowledged,
	report *Report, each func(Event),
) error {
	tx, err := pool.BeginTx(ctx, snapshotOptions)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	if _, err := tx.Exec(ctx, "SET TRANSACTION SNAPSHOT '"+snapshot+"'"); err != nil {
		return fmt.Errorf("take the snapshot: %w", err)
	}
	for id := range work {
		e, err := auditEvent(ctx, tx, id, ledger[id], report)
		if err != nil {
			return fmt.Errorf("audit event %s: %w", id, err)
		}
		if each != nil {
			each(e)
		}
	}
	return nil
}

// unknown reports what clients were told about events that do not exist.
func unknown(events []string, ledger map[string][]Acknowledged, report *Report) {
	known := make(map[string]bool, len(events))
	for _, e := range events {
		known[e] = true
	}
	for event, entries := range ledger {
		if !known[event] {
			report.Add(CheckAcknowledged, event, 0, "%d answers are about an event that does not exist", len(entries))
		}
	}
}

// strays are rows that belong to nothing.
func strays(ctx context.Context, tx pgx.Tx, report *Report) error {
	for _, s := range []struct{ check, what, sql string }{
		{CheckRows, "an event without a counter row", `SELECT id::text FROM event EXCEPT SELECT event_id::text FROM event_counter`},
		{CheckRows, "log of an event without a counter row", `SELECT DISTINCT event_id::text FROM event_log l WHERE NOT EXISTS
			(SELECT 1 FROM event_counter c WHERE c.event_id = l.event_id)`},
		{CheckRows, "RSVPs of an event without a counter row", `SELECT DISTINCT event_id::text FROM rsvp r WHERE NOT EXISTS
			(SELECT 1 FROM event_counter c WHERE c.event_id = r.event_id)`},
		{CheckRows, "an organization without its log", `SELECT id::text FROM organization o WHERE version > 0 AND NOT EXISTS
			(SELECT 1 FROM organization_log l WHERE l.organization_id = o.id)`},
		{CheckOutbox, "an outbox row that points to no message", `SELECT DISTINCT subject_id::text FROM outbox o WHERE
			topic = 0 AND NOT EXISTS (SELECT 1 FROM event_log l WHERE l.event_id = o.subject_id AND l.version = o.version) OR
			topic = 1 AND NOT EXISTS (SELECT 1 FROM organization_log l WHERE l.organization_id = o.subject_id AND l.version = o.version)`},
		{CheckKeys, "a data key without an RSVP", `SELECT rsvp_id::text FROM rsvp_key k WHERE NOT EXISTS
			(SELECT 1 FROM rsvp r WHERE r.id = k.rsvp_id)`},
	} {
		found, err := column(ctx, tx, s.sql)
		if err != nil {
			return err
		}
		for _, subject := range found {
			report.Add(s.check, subject, 0, "%s", s.what)
		}
	}
	return nil
}

func column(ctx context.Context, tx pgx.Tx, sql string) ([]string, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Checks are the names of all, in the order of a report.
func Checks() []string {
	return []string{
		CheckVersions, CheckChain, CheckTimes, CheckPayload, CheckStates, CheckCounters, CheckCapacity, CheckRows, CheckKeys,
		CheckOutbox, CheckAcknowledged,
	}
}
