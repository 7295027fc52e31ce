package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/seal"
)

const perEvent = 1000 // messages about one event

// generator makes the messages of events and their RSVPs as the command role would, by the contract's own types, for
// scenarios that measure what lies behind Kafka.
type generator struct {
	org   string
	event contract.Event
	going int
	made  int
	// keys open what is sealed; nil seals with a key that is thrown away.
	keys map[string][]byte
}

func newGenerator(keep bool) (*generator, error) {
	org, err := uuid.NewV7()
	g := &generator{org: org.String()}
	if keep {
		g.keys = map[string][]byte{}
	}
	return g, err
}

// next makes one message: of every thousand the first publishes an event, the others are answers to it.
func (g *generator) next(now time.Time) (*message.Message, error) {
	n := g.made % perEvent
	g.made++
	at := contract.Time(now)
	if n == 0 {
		ev, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		starts := at.Add(60 * 24 * time.Hour)
		g.going = 0
		g.event = contract.Event{ID: ev.String(), OrganizationID: g.org, Slug: "load-" + ev.String(), Status: contract.EventPublished,
			Title: fmt.Sprintf("Load %d", g.made), Description: "Made to be measured.", StartsAt: starts, EndsAt: starts.Add(2 * time.Hour),
			TimeZone: "Europe/Berlin", Venue: &contract.Venue{City: "Potsdam", Country: "DE"}, Tags: []string{"load"}, MaxParty: 4,
			WaitlistPolicy: contract.WaitlistAuto, Visibility: contract.VisibilityPublic, RSVPClosesAt: starts, Revision: 1, CreatedAt: at,
			UpdatedAt: at, PublishedAt: &at, Questions: []contract.Question{}}
		return g.message(1, contract.EventPublishedV1, at, contract.EventMessage{Event: g.event})
	}
	r, err := g.rsvp(at)
	if err != nil {
		return nil, err
	}
	g.going++
	return g.message(int64(n+1), contract.RSVPConfirmedV1, at, contract.RSVPMessage{RSVP: r, Counters: contract.Counters{Going: g.going}})
}

func (g *generator) rsvp(at time.Time) (contract.RSVP, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return contract.RSVP{}, err
	}
	r := contract.RSVP{ID: id.String(), EventID: g.event.ID, OrganizationID: g.org, Status: contract.StatusConfirmed, Response: contract.Going,
		PartySize: 1, Locale: "en", Reminders: true, CreatedAt: at, UpdatedAt: at}
	if g.keys == nil {
		r.Sealed = make([]byte, 150)
		_, err = rand.Read(r.Sealed)
		return r, err
	}
	key, err := seal.NewKey()
	if err != nil {
		return r, err
	}
	plain, err := json.Marshal(contract.Personal{Name: fmt.Sprintf("Guest %d", g.made), Email: fmt.Sprintf("guest-%d@example.net", g.made), EmailHMAC: key})
	if err != nil {
		return r, err
	}
	g.keys[r.ID] = key
	r.Sealed, err = seal.Seal(key, plain, r.ID)
	return r, err
}

func (g *generator) message(version int64, wireName string, at time.Time, payload any) (*message.Message, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	e := contract.Envelope{Subject: g.event.ID, Version: version, Type: wireName, Org: g.org, ValidAt: at, RecordedAt: at,
		Actor: "system:load", Chain: make([]byte, 32), Payload: body}
	return relay.Message(&e), nil
}

// Fetch makes the generator the keeper of its keys (guestlist.Keys).
func (g *generator) Fetch(_ context.Context, ids []string) (seal.DataKeys, error) {
	out := seal.DataKeys{Keys: make(map[string][]byte, len(ids)), Gone: map[string]bool{}}
	for _, id := range ids {
		out.Keys[id] = g.keys[id]
	}
	return out, nil
}

// publish puts n messages on the topic of registrations and gives their size.
func (g *generator) publish(w *world, n int) (size int64, err error) {
	out, err := kafkabus.NewPublisher(w.kafkaConfig(), nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = out.Close() }()
	const some = 5000
	for done := 0; done < n; done += some {
		batch := make([]*message.Message, min(some, n-done))
		for i := range batch {
			if batch[i], err = g.next(time.Now()); err != nil {
				return size, err
			}
			size += int64(len(batch[i].Payload))
		}
		if err := out.Publish(contract.TopicRegistrations, batch...); err != nil {
			return size, err
		}
	}
	return size, nil
}
