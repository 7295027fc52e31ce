package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// row is an outbox row with the message it points to.
type row struct {
	shard   int
	id      int64
	topic   int
	since   time.Time
	message contract.Envelope
	ready   *message.Message // made while the batch before is on its way
}

// topics by the number in the outbox.
var topics = []string{
	pgstore.TopicRegistrations: contract.TopicRegistrations,
	pgstore.TopicOrganizations: contract.TopicOrganizations,
}

func scanRows(found pgx.Rows) ([]row, error) {
	var rows []row
	for found.Next() {
		var r row
		m := &r.message
		if err := found.Scan(&r.shard, &r.id, &r.topic, &m.Subject, &m.Version, &r.since, &m.Type, &m.Org, &m.ValidAt,
			&m.RecordedAt, &m.Actor, &m.Reason, &m.Traceparent, &m.Payload, &m.Chain); err != nil {
			return nil, err
		}
		r.ready = Message(m)
		rows = append(rows, r)
	}
	return rows, found.Err()
}

// Message is an envelope as it goes to Kafka.
func Message(e *contract.Envelope) *message.Message {
	m := message.NewMessage(e.ID(), e.Payload)
	m.Metadata = e.Headers()
	m.Metadata[kafkabus.MetaKey] = e.Subject
	return m
}

// publish sends the rows, one batch per topic, and gives those that are done with: per key the acknowledged ones
// before the first that is not.
func (r *Relay) publish(ctx context.Context, rows []row) (acked []row, err error) {
	out, err := r.publisher()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for topic, name := range topics {
		var some []row
		var messages []*message.Message
		for i := range rows {
			if rows[i].topic == topic {
				some = append(some, rows[i])
				m := rows[i].ready
				m.SetContext(ctx) // a relay that is told to stop does not wait for a broker that is away
				messages = append(messages, m)
			}
		}
		if len(some) == 0 {
			continue
		}
		e := out.Publish(name, messages...)
		done := acknowledged(some, e)
		acked = append(acked, done...)
		err = errors.Join(err, e)
	}
	r.metrics.published(acked, time.Since(began))
	if err != nil {
		// A producer that failed may be stuck on what it could not send; a new one starts clean.
		err = errors.Join(err, r.disconnect())
	}
	return acked, err
}

func acknowledged(rows []row, err error) []row {
	if err == nil {
		return rows
	}
	var partly *kafkabus.PublishError
	if !errors.As(err, &partly) {
		return nil
	}
	var done []row
	for _, i := range partly.AckedPrefix() {
		done = append(done, rows[i])
	}
	return done
}

func (r *Relay) publisher() (message.Publisher, error) {
	if r.out != nil {
		return r.out, nil
	}
	out, err := r.deps.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	r.out = out
	return out, nil
}

func (r *Relay) disconnect() error {
	if r.out == nil {
		return nil
	}
	err := r.out.Close()
	r.out = nil
	return err
}
