package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// records are what the topics hold, each key's in order.
type records map[string][]*message.Message

// A topic with anything that the log does not say, or without anything that it does, is named with the message; repeats
// and what was made after the audit are not.
func TestVerifyReadsWhatKafkaHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	event, _ := w.event("Copied", 25*24*time.Hour, map[string]any{"capacity": 3}) // versions 1 and 2
	w.want(200, "PATCH", "/v1/organizations/"+w.org, map[string]any{"name": "Lanterns"}, "Idempotency-Key", "renamed")
	w.guest(event, "ada")
	w.guest(event, "bob")
	s, err := newSystem(w.env, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	logs, err := auditPostgres(t.Context(), s.settings, audit.NewReport(), nil, s.log)
	if err != nil {
		t.Fatal(err)
	}
	w.guest(event, "cleo") // version 5, and another event: made after the audit
	later, _ := w.event("Later", 25*24*time.Hour, nil)
	all := readRecords(t, s.Kafka, 5+2+2)

	foreign, err := id.New()
	if err != nil {
		t.Fatal(err)
	}
	const differs, lacks = "is not what its hash was made of", "the log has no such message"
	for name, c := range map[string]struct {
		changes []func(records)
		want    []string // "subject@version detail"
	}{
		"sent again": {changes: []func(records){func(r records) {
			r[contract.TopicRegistrations] = slices.Repeat(r[contract.TopicRegistrations], 2)
		}}},
		"changed": {[]func(records){
			changed(event, 1, func(m *message.Message) { m.Metadata[contract.HeaderTime] = "2020-01-01T00:00:00Z" }),
			changed(event, 2, func(m *message.Message) { m.Metadata[contract.HeaderChain] = strings.Repeat("00", 32) }),
			changed(event, 3, func(m *message.Message) {
				m.Payload = []byte(strings.Replace(string(m.Payload), `"confirmed"`, `"declined"`, 1))
			}),
			changed(event, 4, func(m *message.Message) { m.Metadata[contract.HeaderActor] = "member:else" }),
			changed(event, 5, func(m *message.Message) { m.Payload = []byte(`{}`) }),
			changed(later, 1, func(m *message.Message) { m.Metadata[contract.HeaderOrg] = foreign }),
			changed(w.org, 1, func(m *message.Message) { m.Metadata[contract.HeaderOrg] = foreign }),
			changed(w.org, 2, func(m *message.Message) { m.Payload = []byte(`{}`) }),
		}, []string{
			event + "@1 the record " + differs, event + "@2 the record's hash is not that of the log", event + "@3 the record " + differs,
			event + "@4 the record " + differs, event + "@5 the record " + differs,
			later + "@1 the record is of organization \"" + foreign + "\", the log's message of " + w.org,
			w.org + "@1 the record is of organization \"" + foreign + "\", the log's message of " + w.org,
			w.org + "@2 the record " + differs,
		}},
		"cut off": {[]func(records){cut(event, 4), cut(w.org, 2)}, []string{
			event + "@4 the topic has it up to version 3", w.org + "@2 the topic has it up to version 1",
		}},
		"added to": {[]func(records){
			forged(event, event, 6), forged(event, foreign, 1), forged(event, "nonsense", 1), forged(w.org, w.org, 3),
		}, []string{event + "@6 " + lacks, foreign + "@1 " + lacks, "nonsense@1 " + lacks, w.org + "@3 " + lacks}},
	} {
		t.Run(name, func(t *testing.T) {
			copied := records{}
			for topic, messages := range all {
				for _, m := range messages {
					copied[topic] = append(copied[topic], m.Copy())
				}
			}
			for _, change := range c.changes {
				change(copied)
			}
			other := s.settings
			other.Kafka.Namespace = testkit.Namespace(t)
			publishRecords(t, other.Kafka, copied)
			report := audit.NewReport()
			if err := compareStores(t.Context(), other, logs, []string{checkKafka}, 0, report, s.log); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, fmt.Sprintf("%s@%d %s", f.Subject, f.Version, f.Detail))
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}

	pool, err := s.pool(t.Context(), "rewrite", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `ALTER TABLE event_log DISABLE TRIGGER USER`); err != nil {
		t.Fatal(err)
	}
	rewrite(t, pool, event)
	report, err := auditAll(t.Context(), s.settings, nil, []string{checkKafka}, 0, s.log)
	if err != nil || len(report.Wrong) != 1 || report.Wrong[checkKafka] != 3 {
		t.Errorf("a log rewritten from version 3 to 5, every hash with it: %v, %+v; only Kafka can tell", err, report.Findings)
	}
	if _, err := pool.Exec(t.Context(), `DELETE FROM event_log WHERE event_id = $1 AND version = 1`, later); err != nil {
		t.Fatal(err)
	}
	report, err = auditAll(t.Context(), s.settings, nil, []string{checkKafka}, 0, s.log)
	if err != nil || report.Wrong[audit.CheckVersions] != 1 || report.Wrong[checkKafka] != 4 {
		t.Errorf("and a message that only Kafka has: %v, %+v", err, report.Findings)
	}
}

// readRecords waits until the topics have so many messages.
func readRecords(t *testing.T, cfg kafkabus.Config, want int) records {
	t.Helper()
	var all records
	testkit.Eventually(t, 30*time.Second, 100*time.Millisecond, func() error {
		var mu sync.Mutex
		var n int
		all = records{}
		for _, topic := range []string{contract.TopicRegistrations, contract.TopicOrganizations} {
			err := kafkabus.Replay(t.Context(), cfg, topic, func(_ context.Context, messages []*message.Message) error {
				mu.Lock()
				defer mu.Unlock()
				all[topic] = append(all[topic], messages...)
				n += len(messages)
				return nil
			}, kafkabus.ReplayOptions{})
			if err != nil {
				return err
			}
		}
		if n != want {
			return fmt.Errorf("the topics have %d messages, want %d", n, want)
		}
		return nil
	})
	return all
}

func publishRecords(t *testing.T, cfg kafkabus.Config, all records) {
	t.Helper()
	if err := newTopics(cfg, testkit.Logger(t)).ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := kafkabus.NewPublisher(cfg, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	for topic, messages := range all {
		if err := out.Publish(topic, messages...); err != nil {
			t.Fatal(err)
		}
	}
}

func isAt(m *message.Message, subject string, version int64) bool {
	return m.Metadata[contract.HeaderID] == fmt.Sprintf("%s@%d", subject, version)
}

// changed changes one record and leaves all its other headers as they are.
func changed(subject string, version int64, change func(*message.Message)) func(records) {
	return func(r records) {
		for _, messages := range r {
			for _, m := range messages {
				if isAt(m, subject, version) {
					change(m)
				}
			}
		}
	}
}

// cut leaves out a subject's records from a version on.
func cut(subject string, from int64) func(records) {
	return func(r records) {
		for topic, messages := range r {
			r[topic] = slices.DeleteFunc(messages, func(m *message.Message) bool {
				e, err := contract.Decode(m.Metadata, m.Payload)
				return err == nil && e.Subject == subject && e.Version >= from
			})
		}
	}
}

// forged adds a record of a subject, made like the last of another, whose hash follows from it and that one.
func forged(like, subject string, version int64) func(records) {
	return func(r records) {
		for topic, messages := range r {
			var last *contract.Envelope
			for _, m := range messages {
				if e, err := contract.Decode(m.Metadata, m.Payload); err == nil && e.Subject == like {
					last = e
				}
			}
			if last != nil {
				e := *last
				e.Subject, e.Version = subject, version
				e.Chain = e.ChainHash(last.Chain)
				r[topic] = append(messages, relay.Message(&e))
			}
		}
	}
}

// rewrite changes who did what from version 3 on, every hash after it and the head, as somebody with the database and
// the code would.
func rewrite(t *testing.T, pool *pgxpool.Pool, event string) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT event_id, version, type, organization_id, valid_at, recorded_at, actor, reason,
		traceparent, payload, hash FROM event_log WHERE event_id = $1 ORDER BY version`, event)
	if err != nil {
		t.Fatal(err)
	}
	var messages []contract.Envelope
	if err := pgstore.EachLogRow(rows, func(e *contract.Envelope) { messages = append(messages, *e) }); err != nil {
		t.Fatal(err)
	}
	head := messages[1].Chain
	for _, e := range messages[2:] {
		e.Actor = "member:else"
		head = e.ChainHash(head)
		if _, err := pool.Exec(t.Context(), `UPDATE event_log SET actor = $3, hash = $4 WHERE event_id = $1 AND version = $2`,
			event, e.Version, e.Actor, head); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE event_counter SET chain = $2 WHERE event_id = $1`, event, head); err != nil {
		t.Fatal(err)
	}
}
