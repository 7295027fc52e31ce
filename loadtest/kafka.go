package main

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// kafkaConfig names this world's topics.
func (w *world) kafkaConfig() kafkabus.Config {
	return kafkabus.Config{Brokers: strings.Split(w.kafka, ","), Namespace: w.namespace}
}

// topics makes those that the roles read and write, and some for baselines.
func (w *world) topics(ctx context.Context, more ...string) error {
	specs := []kafkabus.TopicSpec{
		{Name: contract.TopicRegistrations, Partitions: contract.RegistrationPartitions},
		{Name: contract.TopicOrganizations, Partitions: contract.OrganizationPartitions},
		{Name: contract.TopicNotifications, Partitions: contract.OrganizationPartitions},
	}
	for _, name := range more {
		specs = append(specs, kafkabus.TopicSpec{Name: name, Partitions: contract.RegistrationPartitions})
	}
	return kafkabus.EnsureTopics(ctx, w.kafkaConfig(), specs)
}

// rawKafka is sarama with the promises that Turnout gives (every replica, no repeats, order per key), and else as it
// comes.
func rawKafka() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Return.Successes, c.Producer.Return.Errors = true, true
	c.Producer.Compression = sarama.CompressionLZ4
	c.Consumer.Offsets.Initial, c.Consumer.Return.Errors = sarama.OffsetOldest, true
	return c
}

// rawRecord is a message as the producer of sarama takes it, with the very bytes that the relay's has.
func rawRecord(topic string, m *message.Message) *sarama.ProducerMessage {
	r := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(m.Payload)}
	for name, value := range m.Metadata {
		if name == kafkabus.MetaKey {
			r.Key = sarama.StringEncoder(value)
			continue
		}
		r.Headers = append(r.Headers, sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
	}
	return r
}

// produceRaw sends the messages, some at a time, and gives how long that took. What it sends is made before.
func (w *world) produceRaw(topic string, some int, messages []*message.Message) (time.Duration, error) {
	producer, err := sarama.NewSyncProducer(strings.Split(w.kafka, ","), rawKafka())
	if err != nil {
		return 0, err
	}
	defer func() { _ = producer.Close() }()
	records := make([]*sarama.ProducerMessage, len(messages))
	for i, m := range messages {
		records[i] = rawRecord(w.kafkaConfig().Topic(topic), m)
	}
	began := time.Now()
	for len(records) > 0 {
		n := min(some, len(records))
		if err := producer.SendMessages(records[:n]); err != nil {
			return 0, fmt.Errorf("raw producer: %w", err)
		}
		records = records[n:]
	}
	return time.Since(began), nil
}

// consumeRaw reads a topic from its beginning to its present end, all partitions side by side, and looks at nothing.
func (w *world) consumeRaw(ctx context.Context, topic string) (n int64, took time.Duration, err error) {
	topic = w.kafkaConfig().Topic(topic)
	client, err := sarama.NewClient(strings.Split(w.kafka, ","), rawKafka())
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = client.Close() }()
	partitions, err := client.Partitions(topic)
	if err != nil {
		return 0, 0, err
	}
	ends := make([]int64, len(partitions))
	for i, p := range partitions {
		if ends[i], err = client.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
			return 0, 0, err
		}
		n += ends[i]
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = consumer.Close() }()
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range partitions {
		if ends[i] > 0 {
			g.Go(func() error { return readTo(ctx, consumer, topic, p, ends[i]) })
		}
	}
	err = g.Wait()
	return n, time.Since(began), err
}

func readTo(ctx context.Context, consumer sarama.Consumer, topic string, partition int32, end int64) error {
	pc, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer func() { _ = pc.Close() }()
	for {
		select {
		case m := <-pc.Messages():
			if m != nil && m.Offset+1 >= end {
				return nil
			}
		case err := <-pc.Errors():
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rawWarm is left out of rawBlock: connections are made in it.
const rawWarm = time.Second

// rawBlock sends messages at a steady rate, each on its own, and gives how long each took from when it was due to a
// consumer.
func (w *world) rawBlock(ctx context.Context, topic string, rate int, d time.Duration, size int) (took []time.Duration, err error) {
	d += rawWarm
	topic = w.kafkaConfig().Topic(topic)
	// Two clients: a broker answers the requests of a connection in turn, and a consumer's waits for messages.
	producer, err := sarama.NewSyncProducer(strings.Split(w.kafka, ","), rawKafka())
	if err != nil {
		return nil, err
	}
	defer func() { _ = producer.Close() }()
	consumer, err := sarama.NewConsumer(strings.Split(w.kafka, ","), rawKafka())
	if err != nil {
		return nil, err
	}
	defer func() { _ = consumer.Close() }()
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		return nil, err
	}
	total := int(d.Seconds() * float64(rate))
	seen := make(chan sighting, total)
	reading, stop := context.WithCancel(ctx)
	var g errgroup.Group
	for _, p := range partitions {
		pc, err := consumer.ConsumePartition(topic, p, sarama.OffsetNewest)
		if err != nil {
			stop()
			return nil, err
		}
		g.Go(func() error {
			defer func() { _ = pc.Close() }()
			for {
				select {
				case m := <-pc.Messages():
					if m != nil {
						seen <- sighting{version: int64(binary.BigEndian.Uint64(m.Value)), at: time.Now()} //nolint:gosec // a number of ours
					}
				case <-reading.Done():
					return nil
				}
			}
		})
	}
	due := make([]time.Time, total)
	began := time.Now()
	for n := range total {
		due[n] = began.Add(time.Duration(n) * time.Second / time.Duration(rate))
		wait(ctx, time.Until(due[n]))
		body := make([]byte, size)
		_, _ = crand.Read(body) // ciphertext does not compress either
		binary.BigEndian.PutUint64(body, uint64(n))
		g.Go(func() error {
			_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(strconv.Itoa(n % 20)), Value: sarama.ByteEncoder(body)})
			return err
		})
	}
	late := time.After(10 * time.Second)
	for got := 0; got < total && err == nil; {
		select {
		case s := <-seen:
			if late := s.at.Sub(due[s.version]); due[s.version].Sub(began) >= rawWarm {
				took = append(took, late)
			}
			got++
		case <-late:
			err = fmt.Errorf("%d of %d raw messages came", got, total)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	stop()
	return took, errors.Join(err, g.Wait())
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
