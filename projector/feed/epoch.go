package feed

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/redisconn"
)

// The epoch says whose places in Kafka the facts have. A topic that is filled
// again has its messages in other places, so a cursor of before would pass some
// over: the epoch changes, and the cursor has expired. It stands in Redis, which
// a lost Kafka does not take along. Where Redis loses it, it is the topic's own
// id, as it was before any refill: cursors that know of none stay good.

// refilling begins an epoch in which facts may have places of both logs.
const refilling = "refilling-"

// BeginRefill says that the topics are about to be filled again. The marks are
// of the log that is lost.
func BeginRefill(ctx context.Context, rd *redisconn.Conn) error {
	epoch, err := id.New()
	if err != nil {
		return err
	}
	_, err = rd.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.Set(ctx, rd.Key(document.KeyFeedEpoch), refilling+epoch, 0)
		tx.Del(ctx, rd.Key(document.KeyFeed))
		return nil
	})
	return err
}

// EndRefill says that the facts were filled from the log alone; without a refill
// before that their places are what they were.
func EndRefill(ctx context.Context, rd *redisconn.Conn) error {
	epoch, err := rd.Get(ctx, rd.Key(document.KeyFeedEpoch)).Result()
	if err != nil || !strings.HasPrefix(epoch, refilling) {
		return ignoreNil(err)
	}
	return NewEpoch(ctx, rd)
}

// NewEpoch lets all cursors expire.
func NewEpoch(ctx context.Context, rd *redisconn.Conn) error {
	epoch, err := id.New()
	if err != nil {
		return err
	}
	return rd.Set(ctx, rd.Key(document.KeyFeedEpoch), epoch, 0).Err()
}

// EnsureEpoch sets it where there is none.
func EnsureEpoch(ctx context.Context, rd *redisconn.Conn, kafka kafkabus.Config) error {
	key := rd.Key(document.KeyFeedEpoch)
	there, err := rd.Exists(ctx, key).Result()
	if err != nil || there == 1 {
		return err
	}
	topic, err := kafkabus.TopicID(kafka, contract.TopicRegistrations)
	if err != nil {
		return err
	}
	return rd.SetNX(ctx, key, topic, 0).Err()
}

func ignoreNil(err error) error {
	if isNil(err) {
		return nil
	}
	return err
}
