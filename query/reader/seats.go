package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
)

// Seats are an event's seats as the bytes that are answered.
type Seats struct {
	Body     []byte // document.Availability in JSON
	Version  int64
	Event    Owner
	Degraded string
}

// Owner is what decides who may see seats.
type Owner struct {
	OrganizationID string     `json:"organization_id"`
	Status         string     `json:"status"`
	PublishedAt    *time.Time `json:"published_at"`
}

// OwnerOf is that of an event.
func OwnerOf(e *contract.Event) Owner {
	return Owner{OrganizationID: e.OrganizationID, Status: e.Status, PublishedAt: e.PublishedAt}
}

// seatsInRedis are what Redis has; redis.Nil when it has none, or is not filled.
func (s *Stores) seatsInRedis(ctx context.Context, eventID string) (Seats, error) {
	return askRedis(ctx, s, func(ctx context.Context) (Seats, error) {
		pipe := s.Redis.Pipeline()
		seats := pipe.HMGet(ctx, s.Redis.Key(document.KeyAvailability, eventID), document.FieldVersion, document.FieldBody)
		event := pipe.HGet(ctx, s.Redis.Key(document.KeyEvent, eventID), document.FieldBody)
		filled := pipe.Exists(ctx, s.Redis.Key(document.KeySentinel))
		if _, err := pipe.Exec(ctx); err != nil {
			return Seats{}, err
		}
		if filled.Val() == 0 {
			return Seats{}, redis.Nil // being filled from the log's beginning: what is there is of long ago
		}
		return seatsOf(seats.Val(), event.Val())
	})
}

// Seats reads Redis; a miss, or Redis being away or not filled, is answered from
// the listing and marked.
func (s *Stores) Seats(ctx context.Context, eventID string) (Seats, error) {
	got, err := s.seatsInRedis(ctx, eventID)
	if err == nil {
		return got, nil
	}
	if !errors.Is(err, redis.Nil) && !Away(err) {
		return got, err
	}
	e, listErr := s.EventByID(ctx, eventID)
	if listErr != nil {
		if Away(listErr) {
			return got, ErrSeatsAway.Because(errors.Join(err, listErr))
		}
		return got, listErr
	}
	body, encErr := document.NewAvailability(e.ID, e.Version, e.Seats).Encode()
	return Seats{Body: body, Version: e.Version, Degraded: DegradedSeats,
		Event: OwnerOf(&e.Event)}, encErr
}

func seatsOf(fields []any, event string) (Seats, error) {
	if len(fields) != 2 || fields[0] == nil || fields[1] == nil {
		return Seats{}, redis.Nil
	}
	version, _ := fields[0].(string)
	body, _ := fields[1].(string)
	v, err := document.ParseVersion(version)
	if err != nil {
		return Seats{}, fmt.Errorf("availability in redis: %w", err)
	}
	out := Seats{Body: []byte(body), Version: v}
	if err := json.Unmarshal([]byte(event), &out.Event); err != nil {
		return out, fmt.Errorf("event in redis: %w", err)
	}
	return out, nil
}

// SeatsAtLeast waits for a version, when one is asked for, and keeps what is in
// memory for those who ask next.
func (h *Hub) SeatsAtLeast(ctx context.Context, eventID string, least Least) (Seats, error) {
	var got Seats
	done, err := poll(ctx, func() (bool, error) {
		var err error
		got, err = h.Seats(ctx, eventID)
		if errors.Is(err, fault.ErrNotFound) && least.For(eventID) {
			return false, nil
		}
		return err != nil || !least.For(eventID) || got.Version >= least.Version, err
	})
	switch {
	case err != nil:
		return got, err
	case !done:
		return got, ErrNotYetVisible.Detailf("The seats are at version %d here.", got.Version)
	}
	return got, nil
}

// Public tells whether anybody may see the seats.
func (o Owner) Public() bool {
	return (&contract.Event{Status: o.Status, PublishedAt: o.PublishedAt}).Announced()
}
