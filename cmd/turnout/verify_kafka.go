package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/postgres"
)

// kafka reads the topics of both logs: every message of a log must be there with its hash and be what the hash was made
// of, each first sight in the order of its versions, and the topic must have nothing that the log has not. Repeats are
// normal.
func (v *comparison) kafka() error {
	cfg := v.settings.Postgres
	cfg.Name, cfg.MaxConns, cfg.StatementTimeout = "turnout-verify", 4, -1
	pool, err := postgres.Open(v.ctx, cfg, v.log)
	if err != nil {
		return err
	}
	defer pool.Close()
	events := make(map[string]logged, len(v.events))
	for subject, e := range v.events {
		events[subject] = logged{e.Event.OrganizationID, e.Chain}
	}
	organizations := make(map[string]logged, len(v.organizations))
	for subject, chain := range v.organizations {
		organizations[subject] = logged{subject, chain}
	}
	for _, c := range []copied{
		{contract.TopicRegistrations, events, pool, `SELECT event_id::text, version, organization_id::text, hash FROM event_log
			WHERE (event_id, version) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))`},
		{contract.TopicOrganizations, organizations, pool, `SELECT organization_id::text, version, organization_id::text, hash
			FROM organization_log WHERE (organization_id, version) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))`},
	} {
		if err := v.settle(checkKafka, slices.Sorted(maps.Keys(c.log)), func(only []string) ([]finding, error) {
			return c.look(v.ctx, v.settings.Kafka, only)
		}); err != nil {
			return err
		}
	}
	return nil
}

// copied is a log that Kafka has a copy of.
type copied struct {
	topic string
	log   map[string]logged // by subject, as the audit saw it
	pool  *pgxpool.Pool
	later string // reads what the audit did not see
}

// logged is the log of an event or organization: whose it is and the hash of each message, that of version 1 first.
type logged struct {
	organization string
	chain        [][]byte
}

// look reads the topic, and looks for the ends of these logs in it.
func (c *copied) look(ctx context.Context, cfg kafkabus.Config, only []string) ([]finding, error) {
	var mu sync.Mutex
	var found []finding
	seen := map[string]*sight{}
	err := kafkabus.Replay(ctx, cfg, c.topic, func(ctx context.Context, messages []*message.Message) error {
		all, wrong, err := c.judge(ctx, messages)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, wrong...)
		for _, e := range all {
			if seen[e.Subject] == nil {
				seen[e.Subject] = &sight{}
			}
			seen[e.Subject].add(e.Subject, e.Version)
		}
		return err
	}, kafkabus.ReplayOptions{})
	if err != nil {
		return nil, err
	}
	for _, s := range seen {
		if s.early != nil {
			found = append(found, *s.early)
		}
	}
	for _, subject := range only {
		last, end := int64(0), int64(len(c.log[subject].chain))
		if seen[subject] != nil {
			last = seen[subject].last
		}
		if last < end {
			found = append(found, finding{subject, end, fmt.Sprintf("the topic has it up to version %d", last)})
		}
	}
	return found, nil
}

// sight is how far an event's messages were read.
type sight struct {
	last  int64    // the greatest version
	early *finding // the first that came before what it follows
	again int64    // since then a refill has repeated all from version 1 up to here
}

// add takes a version in. A refill repeats an event from version 1 on; what a relay published before it, while it
// ran or while the topic was empty, is then in its order after all.
func (s *sight) add(event string, version int64) {
	switch {
	case version > s.last+1 && s.early == nil:
		s.early = &finding{event, version, fmt.Sprintf("follows version %d", s.last)}
		s.again = 0
	case s.early != nil && (version == 1 || s.again > 0 && version == s.again+1):
		if s.again = version; s.again >= s.early.version {
			s.early = nil
		}
	}
	s.last = max(s.last, version)
}

// judge gives the records that can be read, and what is wrong with any.
func (c *copied) judge(ctx context.Context, messages []*message.Message) (all []*contract.Envelope, wrong []finding, err error) {
	for _, m := range messages {
		if e, err := contract.Decode(m.Metadata, m.Payload); err != nil {
			wrong = append(wrong, finding{m.Metadata[kafkabus.MetaKey], 0, err.Error()})
		} else {
			all = append(all, e)
		}
	}
	later, err := c.unseen(ctx, all)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range all {
		organization, hash := c.hash(later, place{e.Subject, e.Version})
		_, previous := c.hash(later, place{e.Subject, e.Version - 1})
		bad := func(detail string) { wrong = append(wrong, finding{e.Subject, e.Version, detail}) }
		switch {
		case hash == nil: // made after the audit it would be there: messages are published from the log
			bad("the log has no such message")
		case !bytes.Equal(hash, e.Chain):
			bad("the record's hash is not that of the log")
		case (previous != nil || e.Version == 1) && !bytes.Equal(hash, e.ChainHash(previous)):
			bad("the record is not what its hash was made of")
		case e.Org != organization: // not in the hash
			bad(fmt.Sprintf("the record is of organization %q, the log's message of %s", e.Org, organization))
		}
	}
	return all, wrong, nil
}

// place is a message's place in a log.
type place struct {
	subject string
	version int64
}

func (c *copied) hash(later map[place]logged, p place) (organization string, hash []byte) {
	if l := c.log[p.subject]; p.version >= 1 && p.version <= int64(len(l.chain)) {
		return l.organization, l.chain[p.version-1]
	}
	if l, ok := later[p]; ok {
		return l.organization, l.chain[0]
	}
	return "", nil
}

// unseen reads from the log what the audit has not: messages made since, and those behind a gap.
func (c *copied) unseen(ctx context.Context, all []*contract.Envelope) (map[place]logged, error) {
	var subjects []string
	var versions []int64
	for _, e := range all {
		if e.Version > int64(len(c.log[e.Subject].chain)) && id.Valid(e.Subject) {
			subjects, versions = append(subjects, e.Subject, e.Subject), append(versions, e.Version, e.Version-1)
		}
	}
	if len(subjects) == 0 {
		return nil, nil
	}
	rows, err := c.pool.Query(ctx, c.later, subjects, versions)
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", c.topic, err)
	}
	defer rows.Close()
	found := map[place]logged{}
	for rows.Next() {
		p, l := place{}, logged{chain: make([][]byte, 1)}
		if err := rows.Scan(&p.subject, &p.version, &l.organization, &l.chain[0]); err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", c.topic, err)
		}
		found[p] = l
	}
	return found, rows.Err()
}
