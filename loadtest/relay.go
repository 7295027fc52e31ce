package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/loadtest/baseline"
	"github.com/turnout-events/turnout/loadtest/wire"
)

const (
	rawTopic     = "load-raw"
	perBurst     = 250
	spreadOver   = 200  // events of the backlog that is not of one event
	forwarded    = 3000 // messages of a block of the forwarder, which takes as long for them as the relay for a hundred times as many
	garbageLevel = 400  // percent, as in `turnout`
)

// relayed measures how fast committed rows reach Kafka with every replica's acknowledgement: Turnout's relay, Watermill's
// stock forwarder, and the two halves of the work done by hand. All run in this process, with the same engines.
func relayed(ctx context.Context, o options) (rows []row, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	defer debug.SetGCPercent(debug.SetGCPercent(garbageLevel))
	b := &backlogs{world: w}
	if rows, err = b.write(ctx, o); err != nil {
		return nil, err
	}
	b.forwarder = baseline.NewForwarder(w.textbook, strings.Split(w.kafka, ","), kafkabus.MetaKey)
	for _, kind := range []string{backlogHot, backlogSpread} {
		more, err := b.compare(ctx, o, kind)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// The backlogs: all of one event, and of many.
const (
	backlogHot    = "one event"
	backlogSpread = "many events"
)

type backlogs struct {
	*world
	forwarder *baseline.Forwarder
	messages  map[string][]*message.Message // by backlog, in the order of their rows
	written   series                        // RSVPs/s that filled the hot one
}

// write fills the outbox by the public API with nobody to drain it, and keeps its rows to fill it again.
func (b *backlogs) write(ctx context.Context, o options) ([]row, error) {
	command, err := b.role(ctx, "command")
	if err != nil {
		return nil, err
	}
	if err := b.signUp(ctx, command); err != nil {
		return nil, err
	}
	events, err := b.events(ctx, 1+spreadOver, nil, "")
	if err != nil {
		return nil, err
	}
	if _, err := b.db.Exec(ctx, "DELETE FROM outbox"); err != nil { // the events' own messages
		return nil, err
	}
	templates := make([]*wire.Template, len(events))
	for i, e := range events {
		templates[i] = b.rsvp(e)
	}
	for _, kind := range []string{backlogHot, backlogSpread} {
		l := closed(o, o.middle(), templates[0])
		if kind == backlogSpread {
			// A burst on each, which is quicker to write; the backlog takes them in turn.
			l.Template = func(n int64) *wire.Template { return templates[1+n/perBurst%spreadOver] }
		}
		f, err := b.loadTurnout(ctx, command, l)
		if err != nil {
			return nil, err
		}
		if kind == backlogHot {
			b.written = append(b.written, f.PerSecond(http.StatusCreated))
		}
	}
	if err := command.stop(); err != nil {
		return nil, err
	}
	const keep = `CREATE TABLE load_backlog AS SELECT id AS n, shard, topic, subject_id, version,
		CASE WHEN subject_id = $1 THEN '` + backlogHot + `' ELSE '` + backlogSpread + `' END AS kind FROM outbox`
	sql := strings.Replace(keep, "$1", "'"+events[0]+"'", 1) // no parameters in a CREATE TABLE
	for _, s := range []string{sql, "DELETE FROM outbox", "VACUUM ANALYZE"} {
		if _, err := b.db.Exec(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := b.topics(ctx, rawTopic); err != nil {
		return nil, err
	}
	b.messages = map[string][]*message.Message{}
	for _, kind := range []string{backlogHot, backlogSpread} {
		if b.messages[kind], err = b.load(ctx, kind); err != nil {
			return nil, err
		}
	}
	return []row{b.written.row(fmt.Sprintf("written through the API meanwhile, one event, %d connections", o.middle()), "RSVPs/s")}, nil
}

// load reads a backlog's messages as the relay makes them.
func (b *backlogs) load(ctx context.Context, kind string) ([]*message.Message, error) {
	found, err := b.db.Query(ctx, `SELECT e.event_id, e.version, e.type, e.organization_id, e.valid_at, e.recorded_at, e.actor, e.reason,
		e.traceparent, e.payload, e.hash FROM load_backlog b JOIN event_log e ON e.event_id = b.subject_id AND e.version = b.version
		WHERE b.kind = $1 ORDER BY b.version, b.n`, kind)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (*message.Message, error) {
		var e contract.Envelope
		err := row.Scan(&e.Subject, &e.Version, &e.Type, &e.Org, &e.ValidAt, &e.RecordedAt, &e.Actor, &e.Reason, &e.Traceparent, &e.Payload, &e.Chain)
		return relay.Message(&e), err
	})
}

func (b *backlogs) compare(ctx context.Context, o options, kind string) ([]row, error) {
	var ours, forwarder, read, produced, bound series
	messages := b.messages[kind]
	some := relay.DefaultConfig().Batch
	if kind == backlogSpread {
		some *= pgstore.Shards // as many as a pass of the relay takes
	}
	n := float64(len(messages))
	err := alternate(o.rounds, func() error {
		took, err := b.drainBlock(ctx, kind)
		ours = append(ours, n/took.Seconds())
		return err
	}, func() error {
		r, err := b.readBlock(ctx, kind)
		if err != nil {
			return err
		}
		p, err := b.produceRaw(rawTopic, some, messages)
		read, produced, bound = append(read, n/r.Seconds()), append(produced, n/p.Seconds()), append(bound, n/(r+p).Seconds())
		return err
	}, func() error {
		rate, err := b.forwardBlock(ctx, messages[:min(forwarded, len(messages))])
		forwarder = append(forwarder, rate)
		return err
	})
	at := ", " + kind
	size := 0
	for _, m := range messages {
		size += len(m.Payload)
	}
	rows := []row{
		ours.row(fmt.Sprintf("relay drains %d messages of %d bytes%s", len(messages), size/max(1, len(messages)), at), "messages/s"),
		forwarder.row("stock Watermill forwarder"+at, "messages/s"), read.row("rows read by hand"+at, "rows/s"),
		produced.row(fmt.Sprintf("sarama sends batches of %d%s", some, at), "messages/s"),
		bound.row("bound: read, then send"+at, "messages/s"),
		ours.over(forwarder).row("relay / forwarder"+at, "×").atLeast(10), ours.over(bound).row("relay / bound"+at, "×").atLeast(.6),
	}
	if kind == backlogHot {
		for len(b.written) < len(ours) {
			b.written = append(b.written, b.written[0])
		}
		rows = append(rows, ours.over(b.written).row("relay / what the API writes"+at, "×").atLeast(1))
	}
	return rows, err
}

// drainBlock lets a relay that owns every shard find the whole backlog at once, and waits until the outbox is empty.
func (b *backlogs) drainBlock(ctx context.Context, kind string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	r, err := relay.New(relay.DefaultConfig(), relay.Deps{
		Pool: b.db, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Connect: func() (message.Publisher, error) {
			return kafkabus.NewPublisher(b.kafkaConfig(), slog.New(slog.DiscardHandler))
		},
		Ends: func(ctx context.Context, topic string) ([]*message.Message, error) {
			return kafkabus.Ends(ctx, b.kafkaConfig(), topic)
		},
	})
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	if err := until(ctx, time.Millisecond, func() (bool, error) { return bits.OnesCount64(r.Owned()) == pgstore.Shards, nil }); err != nil {
		return 0, fmt.Errorf("the relay has not every shard: %w", err)
	}
	if err := b.checkpoint(ctx); err != nil {
		return 0, err
	}
	if err := b.fill(ctx, kind); err != nil {
		return 0, err
	}
	began := time.Now()
	for shard := range pgstore.Shards {
		r.Wake(shard)
	}
	err = until(ctx, 2*time.Millisecond, func() (empty bool, err error) {
		err = b.db.QueryRow(ctx, "SELECT NOT EXISTS (SELECT 1 FROM outbox)").Scan(&empty)
		return empty, err
	})
	return time.Since(began), err
}

func (b *backlogs) fill(ctx context.Context, kind string) error {
	_, err := b.db.Exec(ctx, `INSERT INTO outbox (shard, topic, subject_id, version)
		SELECT shard, topic, subject_id, version FROM load_backlog WHERE kind = $1 ORDER BY version, n`, kind)
	return err
}

// readBlock reads the backlog once, with its messages, in batches over one connection, and looks at no row.
func (b *backlogs) readBlock(ctx context.Context, kind string) (took time.Duration, err error) {
	conn, err := pgx.ConnectConfig(ctx, b.db.Config().ConnConfig.Copy())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{"SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET enable_hashjoin = off", "SET enable_mergejoin = off",
		"SET jit = off", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	if err := b.fill(ctx, kind); err != nil {
		return 0, err
	}
	began := time.Now()
	for shard := range pgstore.Shards {
		if err := readShard(ctx, conn, shard, relay.DefaultConfig().Batch); err != nil {
			return 0, err
		}
	}
	took = time.Since(began)
	_, err = conn.Exec(ctx, "DELETE FROM outbox")
	return took, err
}

func readShard(ctx context.Context, conn *pgx.Conn, shard, some int) error {
	var last int64
	for {
		rows, err := conn.Query(ctx, `SELECT o.id, o.subject_id, o.version, e.type, e.organization_id, e.valid_at, e.recorded_at, e.actor, e.reason,
			e.traceparent, e.payload, e.hash
			FROM (SELECT id, subject_id, version FROM outbox WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3) o
			JOIN event_log e ON e.event_id = o.subject_id AND e.version = o.version ORDER BY o.id`, shard, last, some)
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			n++
			if err := rows.Scan(&last, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil || n < some {
			return err
		}
	}
}

func (b *backlogs) forwardBlock(ctx context.Context, messages []*message.Message) (float64, error) {
	own := make([]*message.Message, len(messages))
	for i, m := range messages {
		own[i] = message.NewMessage(fmt.Sprintf("%036d", i), m.Payload) // its table takes 36 letters
		own[i].Metadata = m.Metadata
	}
	if err := b.forwarder.Fill(b.kafkaConfig().Topic(rawTopic), own); err != nil {
		return 0, err
	}
	if err := b.checkpoint(ctx); err != nil {
		return 0, err
	}
	took, err := b.forwarder.Drain(ctx, int64(len(own)))
	if err != nil {
		return 0, err
	}
	return float64(len(own)) / took.Seconds(), nil
}

// until asks again and again.
func until(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	for {
		if ok, err := done(); err != nil || ok {
			return err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
