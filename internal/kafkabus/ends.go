package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"
)

// Ends gives the last message of each partition of a topic (short or full name); none of one that is empty, and none at
// all of a topic that is not there.
func Ends(ctx context.Context, cfg Config, topic string) ([]*message.Message, error) {
	var last []*message.Message
	err := within(ctx, func() (err error) {
		last, err = ends(ctx, cfg, topic)
		return err
	})
	if err != nil {
		return nil, err // the other may be writing last still
	}
	return last, nil
}

func ends(ctx context.Context, cfg Config, topic string) ([]*message.Message, error) {
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	topic = cfg.Topic(topic)
	parts, _, err := spans(ctx, client, topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ends: %w", err)
	}
	var mu sync.Mutex
	var last []*message.Message
	group, ctx := errgroup.WithContext(ctx) // each waits for a poll to end before it lets go of its partition
	for _, p := range parts {
		group.Go(func() error {
			_, err := readPartition(ctx, client, topic, p.partition, max(p.from, p.to-1), p.to, func(cm *sarama.ConsumerMessage) error {
				mu.Lock()
				defer mu.Unlock()
				last = append(last, fromKafka(cm, names{}))
				return nil
			})
			if err != nil {
				return fmt.Errorf("end of %s/%d: %w", topic, p.partition, err)
			}
			return nil
		})
	}
	err = group.Wait()
	return last, err
}
