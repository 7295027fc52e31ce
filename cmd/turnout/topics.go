package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// topics makes what the roles publish to and read from. It tries once before
// the roles start; with Kafka away it goes on trying beside them, because
// answers are taken without Kafka and consumers wait for their topics.
type topics struct {
	cfg   kafkabus.Config
	log   *slog.Logger
	ready chan struct{}
}

const (
	topicsFirst = 10 * time.Second
	topicsAgain = 2 * time.Second
)

func newTopics(cfg kafkabus.Config, log *slog.Logger) *topics {
	return &topics{cfg: cfg, log: log, ready: make(chan struct{})}
}

func (t *topics) Name() string { return "topics" }

func (t *topics) Ready() <-chan struct{} { return t.ready }

func (t *topics) Run(ctx context.Context) error {
	first, cancel := context.WithTimeout(ctx, topicsFirst)
	err := t.ensure(first)
	cancel()
	close(t.ready)
	for err != nil && ctx.Err() == nil {
		t.log.WarnContext(ctx, "topics not made yet", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(topicsAgain):
		}
		err = t.ensure(ctx)
	}
	<-ctx.Done()
	return nil
}

func (t *topics) ensure(ctx context.Context) error {
	specs := []kafkabus.TopicSpec{
		{Name: contract.TopicRegistrations, Partitions: contract.RegistrationPartitions},
		{Name: contract.TopicOrganizations, Partitions: contract.OrganizationPartitions},
		{Name: contract.TopicNotifications, Partitions: contract.NotificationPartitions},
	}
	if err := kafkabus.EnsureTopics(ctx, t.cfg, specs); err != nil {
		return fmt.Errorf("make topics: %w", err)
	}
	return nil
}
