package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
)

// errOtherLog: Kafka has what this database never said. It was restored from a backup, or is a copy that took over and
// lacks the last commits, or another database. Versions would be given out anew, and whoever reads the topics would take
// what is new for a repeat.
var errOtherLog = errors.New("the topics have messages that this database's log has not")

var selectHash = []string{
	pgstore.TopicRegistrations: `SELECT hash FROM event_log WHERE event_id = $1 AND version = $2`,
	pgstore.TopicOrganizations: `SELECT hash FROM organization_log WHERE organization_id = $1 AND version = $2`,
}

// prove waits until Kafka's log is known to be this database's. It is done once per session, for a failover ends the
// session. An error is the session's.
func (r *Relay) prove(ctx context.Context, s *session) error {
	wait := newPause(100*time.Millisecond, 2*time.Second)
	for ctx.Err() == nil && !r.cfg.AnyLog {
		err := r.compare(ctx, s)
		switch {
		case err == nil:
			r.metrics.otherLog.Set(0)
			return nil
		case errors.Is(err, errOtherLog):
			r.metrics.otherLog.Set(1)
			r.log.ErrorContext(ctx, "nothing is published", "error", err)
		case s.conn.IsClosed():
			return err
		case ctx.Err() == nil:
			r.log.WarnContext(ctx, "cannot compare the logs", "error", err)
		}
		wait.pause(ctx, nil)
	}
	return nil
}

// compare looks for the last message of each partition in the log: a topic that this database filled ends with what it has.
func (r *Relay) compare(ctx context.Context, s *session) error {
	for topic, name := range topics {
		last, err := r.deps.Ends(ctx, name)
		if err != nil {
			return fmt.Errorf("what %s ends with: %w", name, err)
		}
		for _, m := range last {
			e, err := contract.Decode(m.Metadata, m.Payload)
			if err != nil || !id.Valid(e.Subject) {
				continue // no log said it: it proves nothing
			}
			hash, err := bounded(ctx, func(ctx context.Context) (hash []byte, err error) {
				err = s.conn.QueryRow(ctx, selectHash[topic], e.Subject, e.Version).Scan(&hash)
				return hash, err
			})
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("look for %s in the log: %w", e.ID(), err)
			}
			if !bytes.Equal(hash, e.Chain) {
				return fmt.Errorf("%w: %s of %s. docs/runbook.md, \"The relay meets another log\"", errOtherLog, e.ID(), name)
			}
		}
	}
	return nil
}
