package pgstore

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/turnout-events/turnout/internal/contract"
)

// Shards is how many parts the outbox has. The number is part of the stored data: changing it needs a migration and
// stopped relays.
const Shards = 8

// The topics that an outbox row can point to.
const (
	TopicRegistrations = 0 // event_log
	TopicOrganizations = 1 // organization_log
)

// ShardOf gives the outbox shard of an event or organization.
func ShardOf(subject string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(subject)) // a hash never fails
	return int(h.Sum32() % Shards)
}

// Chain gives each message its hash over the one before it; head is the hash that the subject has so far. It returns
// the new head.
func Chain(head []byte, messages []contract.Envelope) []byte {
	for i := range messages {
		head = messages[i].ChainHash(head)
		messages[i].Chain = head
	}
	return head
}

// RecordedAt is the time at which the log takes a message: now, but never before its predecessor.
func RecordedAt(now, previous time.Time) time.Time {
	now = contract.Time(now)
	if now.Before(previous) {
		return contract.Time(previous)
	}
	return now
}

const (
	// ORDER BY the ordinality, so that log rows lie, and outbox ids grow, in the order of the versions.
	insertEventLog = `INSERT INTO event_log (event_id, version, type, organization_id, valid_at, recorded_at, actor, reason,
			traceparent, payload, hash)
		SELECT $1, m.version, m.type, $2, m.valid_at, m.recorded_at, m.actor, m.reason, m.traceparent, m.payload, m.hash
		FROM unnest($3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[], $9::text[],
			$10::bytea[], $11::bytea[]) WITH ORDINALITY
			AS m(version, type, valid_at, recorded_at, actor, reason, traceparent, payload, hash, n)
		ORDER BY m.n`
	insertOneEventLog = `INSERT INTO event_log (event_id, version, type, organization_id, valid_at, recorded_at, actor, reason,
			traceparent, payload, hash) VALUES ($1, $3, $4, $2, $5, $6, $7, $8, $9, $10, $11)`
	insertOrganizationLog = `INSERT INTO organization_log (organization_id, version, type, valid_at, recorded_at, actor, reason,
			traceparent, payload, hash)
		SELECT $1, m.version, m.type, m.valid_at, m.recorded_at, m.actor, m.reason, m.traceparent, m.payload, m.hash
		FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
			$9::bytea[], $10::bytea[]) WITH ORDINALITY
			AS m(version, type, valid_at, recorded_at, actor, reason, traceparent, payload, hash, n)
		ORDER BY m.n`
	insertOutbox = `INSERT INTO outbox (shard, topic, subject_id, version)
		SELECT $1, $2, $3, m.version FROM unnest($4::bigint[]) WITH ORDINALITY AS m(version, n) ORDER BY m.n`
	insertOneOutbox = `INSERT INTO outbox (shard, topic, subject_id, version) VALUES ($1, $2, $3, $4)`
)

// logColumns turns messages into one array per column.
type logColumns struct {
	version                          pgtype.FlatArray[int64]
	kind, actor, reason, traceparent pgtype.FlatArray[string]
	validAt, recordedAt              pgtype.FlatArray[time.Time]
	payload, hash                    pgtype.FlatArray[[]byte]
}

func columnsOf(messages []contract.Envelope) logColumns {
	n := len(messages)
	c := logColumns{
		version: make([]int64, n), kind: make([]string, n), actor: make([]string, n), reason: make([]string, n),
		traceparent: make([]string, n), validAt: make([]time.Time, n), recordedAt: make([]time.Time, n),
		payload: make([][]byte, n), hash: make([][]byte, n),
	}
	for i := range messages {
		m := &messages[i]
		c.version[i], c.kind[i], c.actor[i], c.reason[i], c.traceparent[i] = m.Version, m.Type, m.Actor, m.Reason, m.Traceparent
		c.validAt[i], c.recordedAt[i], c.payload[i], c.hash[i] = m.ValidAt, m.RecordedAt, m.Payload, m.Chain
	}
	return c
}

// queueEventLog queues the log rows and the outbox rows of one event's messages, which all have their Chain.
func queueEventLog(b *pgx.Batch, messages []contract.Envelope) error {
	event, err := uuidOf(messages[0].Subject)
	if err != nil {
		return err
	}
	organization, err := uuidOf(messages[0].Org)
	if err != nil {
		return err
	}
	shard := ShardOf(messages[0].Subject)
	if len(messages) <= few {
		for i := range messages {
			m := &messages[i]
			b.Queue(insertOneEventLog, event, organization, m.Version, m.Type, m.ValidAt, m.RecordedAt, m.Actor, m.Reason,
				m.Traceparent, m.Payload, m.Chain)
			b.Queue(insertOneOutbox, shard, TopicRegistrations, event, m.Version)
		}
		return nil
	}
	c := columnsOf(messages)
	b.Queue(insertEventLog, event, organization, c.version, c.kind, c.validAt, c.recordedAt, c.actor, c.reason,
		c.traceparent, c.payload, c.hash)
	b.Queue(insertOutbox, shard, TopicRegistrations, event, c.version)
	return nil
}

// QueueOrganization queues messages about one organization, which all have their Chain (see Chain), to its log and
// to the outbox. The caller's transaction holds the lock of the organization's row and moves its version and chain.
func QueueOrganization(b *pgx.Batch, messages []contract.Envelope) error {
	if len(messages) == 0 {
		return nil
	}
	organization, err := uuidOf(messages[0].Subject)
	if err != nil {
		return err
	}
	c := columnsOf(messages)
	b.Queue(insertOrganizationLog, organization, c.version, c.kind, c.validAt, c.recordedAt, c.actor, c.reason,
		c.traceparent, c.payload, c.hash)
	b.Queue(insertOutbox, ShardOf(messages[0].Subject), TopicOrganizations, organization, c.version)
	return nil
}

// AppendOrganization is QueueOrganization for a caller that does not pipeline.
func AppendOrganization(ctx context.Context, tx pgx.Tx, messages []contract.Envelope) error {
	b := &pgx.Batch{}
	if err := QueueOrganization(b, messages); err != nil || b.Len() == 0 {
		return err
	}
	return tx.SendBatch(ctx, b).Close()
}
