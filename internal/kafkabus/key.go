package kafkabus

import (
	"fmt"

	"github.com/IBM/sarama"
)

// PartitionOf is where the messages of a key are in a topic (short or full name).
func PartitionOf(cfg Config, topic, key string) (int32, error) {
	client, err := cfg.client()
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	topic = cfg.Topic(topic)
	partitions, err := client.Partitions(topic)
	if err != nil {
		return 0, fmt.Errorf("partitions of %s: %w", topic, err)
	}
	record := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key)}
	return client.Config().Producer.Partitioner(topic).Partition(record, int32(len(partitions))) //nolint:gosec // a few dozen
}
