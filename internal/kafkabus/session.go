package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// session is sarama's ConsumerGroupHandler.
type session struct {
	cfg     Config
	handle  Handler
	opts    ConsumeOptions
	log     *slog.Logger
	letters *deadLetters
	healthy func()
}

func (s *session) Setup(sess sarama.ConsumerGroupSession) error {
	s.healthy()
	s.log.InfoContext(sess.Context(), "partitions assigned", "partitions", sess.Claims(), "generation", sess.GenerationID())
	if s.opts.OnAssigned != nil {
		s.opts.OnAssigned(sess.Claims())
	}
	return nil
}

func (s *session) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim never returns an error: sarama would end the session of every partition for it, and the member would
// rejoin for ever.
func (s *session) ConsumeClaim(sess sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		records, more := nextBatch(sess.Context(), claim.Messages(), s.opts.MaxBatch, s.opts.Linger)
		if len(records) > 0 {
			if !s.apply(sess.Context(), records) {
				return nil // the session ended first; the next owner gets these again
			}
			sess.MarkMessage(records[len(records)-1], "")
		}
		if !more {
			return nil
		}
	}
}

// nextBatch waits for one record, then takes what is buffered, up to most. more is false when the claim is over; the
// records that were read before that are still returned unless the session ended.
func nextBatch(ctx context.Context, in <-chan *sarama.ConsumerMessage, most int, linger time.Duration) (records []*sarama.ConsumerMessage, more bool) {
	select {
	case <-ctx.Done():
		return nil, false
	case first, ok := <-in:
		if !ok {
			return nil, false
		}
		records = append(records, first)
	}
	var late <-chan time.Time
	if linger > 0 {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		late = timer.C
	}
	for len(records) < most {
		select {
		case next, ok := <-in:
			if !ok {
				return records, false
			}
			records = append(records, next)
			continue
		default:
		}
		if late == nil {
			return records, true
		}
		select {
		case next, ok := <-in:
			if !ok {
				return records, false
			}
			records = append(records, next)
		case <-late:
			return records, true
		case <-ctx.Done():
			return nil, false
		}
	}
	return records, true
}

// apply hands the batch over until it is done with. False means: ctx ended first, nothing may be marked.
func (s *session) apply(ctx context.Context, records []*sarama.ConsumerMessage) bool {
	began := time.Now()
	topic, partition := records[0].Topic, records[0].Partition
	stats := BatchStats{Topic: topic, Partition: partition, Size: len(records), Oldest: records[0].Timestamp}
	wait := newBackoff(s.opts.MinBackoff, s.opts.MaxBackoff)
	handled := false // once the handler has decided, only the dead letters are tried again
	var dead []deadLetter
	for {
		var err error
		if !handled {
			dead, err = s.attempt(ctx, records)
			handled = err == nil
		}
		if handled {
			if err = s.letters.send(dead); err == nil {
				break
			}
		}
		if ctx.Err() != nil {
			return false
		}
		stats.Retries++
		s.log.WarnContext(ctx, "batch failed, trying again", "topic", topic, "partition", partition,
			"offset", records[0].Offset, "size", len(records), "attempt", stats.Retries, "error", err)
		if s.opts.OnRetry != nil {
			s.opts.OnRetry(topic, partition, err)
		}
		if !wait.pause(ctx) {
			return false
		}
	}
	for _, d := range dead {
		s.log.ErrorContext(ctx, "message rejected, in the dead-letter topic now", "topic", topic, "partition", partition,
			"offset", d.record.Offset, "reason", d.reason)
	}
	stats.Took, stats.Rejected = time.Since(began), len(dead)
	if s.opts.OnBatch != nil {
		s.opts.OnBatch(stats)
	}
	return true
}

// attempt calls the handler once, with fresh messages: it may have changed the last ones.
func (s *session) attempt(ctx context.Context, records []*sarama.ConsumerMessage) ([]deadLetter, error) {
	err := callHandler(ctx, s.handle, records)
	if err == nil {
		return nil, nil
	}
	var rejected *Rejected
	// A cancelled context makes many a store answer something that looks final. Nothing is poisoned while closing.
	if !errors.As(err, &rejected) || ctx.Err() != nil {
		return nil, err
	}
	indices, bad := rejected.indices(len(records))
	if bad != nil {
		return nil, bad
	}
	dead := make([]deadLetter, 0, len(indices))
	for _, i := range indices {
		dead = append(dead, deadLetter{record: records[i], reason: rejected.Reasons[i]})
	}
	return dead, nil
}

// callHandler turns a panic into an error: it is retried and logged, and the other partitions go on.
func callHandler(ctx context.Context, handle Handler, records []*sarama.ConsumerMessage) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	messages := make([]*message.Message, len(records))
	seen := names{}
	for i, r := range records {
		messages[i] = fromKafka(r, seen)
		messages[i].SetContext(ctx)
	}
	return handle(ctx, messages)
}
