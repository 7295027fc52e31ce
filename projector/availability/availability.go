// Package availability keeps each event's seats in Redis, and a copy of the
// event itself for when the search engine is away.
package availability

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/projector/feed"
)

// Group is the consumer group. Renaming it replays the topic.
const Group = "availability"

// setSeats writes a newer state and tells who listens, in one step. An equal
// version is written again (a rebuild repairs with it) but not told again.
var setSeats = redisconn.NewScript("set-seats", `
local now = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
local new = tonumber(ARGV[1])
if new < now then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'b', ARGV[2])
if new > now and ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[2]) end
return 1`)

var setEvent = redisconn.NewScript("set-event", `
local now = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
if tonumber(ARGV[1]) < now then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'b', ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1`)

// Projector writes seats and events.
type Projector struct {
	redis   *redisconn.Conn
	applied func(context.Context, []feed.Item)
	prefix  []string // of keys that nobody reads yet; none for the live ones
}

// New takes the connection and who is told what was applied.
func New(redis *redisconn.Conn, applied func(context.Context, []feed.Item)) *Projector {
	return &Projector{redis: redis, applied: applied}
}

// Beside writes behind a prefix what nobody reads yet.
func Beside(redis *redisconn.Conn, prefix string) *Projector {
	return &Projector{redis: redis, applied: func(context.Context, []feed.Item) {}, prefix: []string{prefix}}
}

// channel is who hears of new seats; "" is nobody.
func (p *Projector) channel() string {
	if len(p.prefix) > 0 {
		return ""
	}
	return p.redis.Channel(document.ChannelAvailability)
}

func (p *Projector) key(parts ...string) string {
	return p.redis.Key(slices.Concat(p.prefix, parts)...)
}

type latest struct {
	seats        document.Availability
	event        json.RawMessage
	slug         string
	eventVersion int64
}

// Handle is a kafkabus.Handler.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	byEvent := map[string]*latest{}
	for _, it := range items {
		if err := take(byEvent, it.Envelope); err != nil {
			rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, err))
		}
	}
	if err := p.write(ctx, byEvent); err != nil {
		return err
	}
	p.applied(ctx, rejects.Others(items))
	return rejects.Err()
}

func take(byEvent map[string]*latest, env *contract.Envelope) error {
	counters, err := env.Counters()
	if err != nil {
		return err
	}
	var details struct {
		Event json.RawMessage `json:"event"`
	}
	var slug string
	isEvent := contract.AboutOf(env.Type) == contract.AboutEvent
	if isEvent {
		body, err := env.Event()
		if err != nil {
			return err
		}
		if err := json.Unmarshal(env.Payload, &details); err != nil {
			return err
		}
		slug = body.Event.Slug
	}
	l := byEvent[env.Subject]
	if l == nil {
		l = &latest{}
		byEvent[env.Subject] = l
	}
	if env.Version > l.seats.Version {
		l.seats = document.NewAvailability(env.Subject, env.Version, counters)
	}
	if isEvent && env.Version > l.eventVersion {
		l.event, l.slug, l.eventVersion = details.Event, slug, env.Version
	}
	return nil
}

func (p *Projector) write(ctx context.Context, byEvent map[string]*latest) error {
	var seats, events []redisconn.Call
	for id, l := range byEvent {
		body, err := l.seats.Encode()
		if err != nil {
			return err
		}
		seats = append(seats, redisconn.Call{
			Keys: []string{p.key(document.KeyAvailability, id)},
			Args: []any{l.seats.Version, body, p.channel()},
		})
		if l.event != nil {
			events = append(events, redisconn.Call{
				Keys: []string{p.key(document.KeyEvent, id), p.key(document.KeySlug, l.slug)},
				Args: []any{l.eventVersion, []byte(l.event), id},
			})
		}
	}
	// The event first: who hears of seats may ask for the event.
	if len(events) > 0 {
		if _, err := p.redis.Pipelined(ctx, setEvent, events); err != nil {
			return err
		}
	}
	if len(seats) > 0 {
		if _, err := p.redis.Pipelined(ctx, setSeats, seats); err != nil {
			return err
		}
	}
	return nil
}
