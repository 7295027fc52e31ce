// Package access keeps who may read what: the roles of each organization in
// Redis, and its document in Elasticsearch.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/projector/feed"
)

// Group is the consumer group. Renaming it replays the topic.
const Group = "access"

// setRoles replaces the roles of an organization with those of a version that
// is not older. Lua's unpack takes no more than some thousands at once.
var setRoles = redisconn.NewScript("set-roles", `
local now = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
if tonumber(ARGV[1]) < now then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
for i = 2, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return 1`)

// Projector writes organizations.
type Projector struct {
	redis   *redisconn.Conn
	elastic *elastic.Client
	targets feed.Each
	prefix  []string // of keys
}

// New takes both stores.
func New(redis *redisconn.Conn, client *elastic.Client, targets feed.Each) *Projector {
	return &Projector{redis: redis, elastic: client, targets: targets}
}

// Beside writes roles behind a prefix, where nobody reads them yet, and nothing else.
func Beside(redis *redisconn.Conn, prefix string) *Projector {
	return &Projector{redis: redis, targets: feed.Nowhere, prefix: []string{prefix}}
}

// Handle is a kafkabus.Handler.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	newest := map[string]document.Organization{}
	at := map[string]int{}
	for _, it := range items {
		body, err := it.Envelope.Organization()
		if err != nil {
			rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, err))
			continue
		}
		id := it.Envelope.Subject
		if it.Envelope.Version > newest[id].Version {
			body.Organization.ID = id
			newest[id], at[id] = document.NewOrganization(it.Envelope.Version, body.Organization), it.At
		}
	}
	// Each half is written although the other can't be: what reads roles makes do with one store while the other is away.
	roles := p.WriteRoles(ctx, newest)
	err := p.targets(ctx, func(target string) error {
		ops := make([]elastic.Op, 0, len(newest))
		for id, doc := range newest {
			ops = append(ops, elastic.Op{Index: target, ID: id, Version: doc.Version, Doc: doc})
		}
		return feed.Bulk(ctx, p.elastic, ops, func(i int, reason error) { rejects.Add(at[ops[i].ID], reason) })
	})
	if err := errors.Join(roles, err); err != nil {
		return err
	}
	return rejects.Err()
}

// WriteRoles writes only the half in Redis.
func (p *Projector) WriteRoles(ctx context.Context, organizations map[string]document.Organization) error {
	calls := make([]redisconn.Call, 0, len(organizations))
	for id, doc := range organizations {
		args := []any{doc.Version}
		for _, m := range doc.Body.Members {
			args = append(args, m.AccountID, m.Role)
		}
		calls = append(calls, redisconn.Call{Keys: []string{p.redis.Key(slices.Concat(p.prefix, []string{document.KeyRoles, id})...)}, Args: args})
	}
	if len(calls) == 0 {
		return nil
	}
	_, err := p.redis.Pipelined(ctx, setRoles, calls)
	return err
}
