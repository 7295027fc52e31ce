package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// TopicSpec is a topic as it must be.
type TopicSpec struct {
	Name       string        // short or full
	Partitions int32         // never changed in place: a key would move to another partition
	Retention  time.Duration // 0 keeps messages for good
	Compact    bool          // keep the last message per key instead
}

func (s TopicSpec) detail() *sarama.TopicDetail {
	policy, retention := "delete", "-1"
	if s.Compact {
		policy = "compact"
	}
	if s.Retention > 0 {
		retention = strconv.FormatInt(s.Retention.Milliseconds(), 10)
	}
	bytes := "-1"
	return &sarama.TopicDetail{
		NumPartitions:     s.Partitions,
		ReplicationFactor: -1, // the broker's default: one here, three in production
		ConfigEntries:     map[string]*string{"cleanup.policy": &policy, "retention.ms": &retention, "retention.bytes": &bytes},
	}
}

// EnsureTopics makes the topics that are missing. A topic with another number of partitions is an error: changing it
// in place would break the order per key.
func EnsureTopics(ctx context.Context, cfg Config, specs []TopicSpec) error {
	return within(ctx, func() error {
		client, err := cfg.client()
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		full := make([]TopicSpec, len(specs))
		for i, s := range specs {
			full[i] = s
			full[i].Name = cfg.Topic(s.Name)
		}
		return ensureTopics(ctx, client, full)
	})
}

func ensureTopics(ctx context.Context, client sarama.Client, specs []TopicSpec) error {
	controller, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err // closing the admin would close the client, which is not ours
	}
	for _, s := range specs {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := controller.CreateTopic(s.Name, s.detail(), false)
		if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", s.Name, err)
		}
		if err := awaitTopic(ctx, client, s); err != nil {
			return err
		}
	}
	return nil
}

// awaitTopic waits (≤ 10 s) until every partition has a leader: CreateTopics answers before the brokers know.
func awaitTopic(ctx context.Context, client sarama.Client, s TopicSpec) error {
	wait := newBackoff(10*time.Millisecond, 500*time.Millisecond)
	until := time.Now().Add(10 * time.Second)
	for {
		err := checkTopic(client, s)
		if err == nil || errors.Is(err, errPartitions) {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("topic %s not usable: %w", s.Name, err)
		}
		if !wait.pause(ctx) {
			return ctx.Err()
		}
	}
}

var errPartitions = errors.New("wrong number of partitions")

func checkTopic(client sarama.Client, s TopicSpec) error {
	if err := client.RefreshMetadata(s.Name); err != nil {
		return err
	}
	partitions, err := client.Partitions(s.Name)
	if err != nil {
		return err
	}
	if len(partitions) != int(s.Partitions) {
		return fmt.Errorf("topic %s: %w: has %d, wants %d", s.Name, errPartitions, len(partitions), s.Partitions)
	}
	for _, p := range partitions {
		if _, err := client.Leader(s.Name, p); err != nil {
			return err
		}
	}
	return nil
}
