package kafkabus

import (
	"fmt"

	"github.com/IBM/sarama"
)

// TopicID is the id that the brokers gave a topic (short or full name): made anew, it has another.
func TopicID(cfg Config, topic string) (string, error) {
	client, err := cfg.client()
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return "", err // closing the admin would close the client
	}
	topic = cfg.Topic(topic)
	found, err := admin.DescribeTopics([]string{topic})
	switch {
	case err != nil:
		return "", fmt.Errorf("describe %s: %w", topic, err)
	case len(found) != 1:
		return "", fmt.Errorf("describe %s: %d answers", topic, len(found))
	case found[0].Err != sarama.ErrNoError:
		return "", fmt.Errorf("describe %s: %w", topic, found[0].Err)
	}
	return found[0].Uuid.String(), nil
}

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
