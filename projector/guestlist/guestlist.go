// Package guestlist keeps a document per RSVP in clear text, for members. It
// is the only read store that has names and addresses.
package guestlist

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/projector/feed"
)

// Group is the consumer group. Renaming it replays the topic.
const Group = "guestlist"

// unknownKeyWait is how long a key that nobody knows yet is waited for. A key
// is stored in the transaction of its message, so this is only for a command
// role that answers from before it; later it is taken as lost.
const unknownKeyWait = 2 * time.Minute

// Keys fetches data keys; *seal.KeyClient does.
type Keys interface {
	Fetch(ctx context.Context, ids []string) (seal.DataKeys, error)
}

// Projector writes guests.
type Projector struct {
	elastic *elastic.Client
	keys    Keys
	targets feed.Each
	applied func(context.Context, []feed.Item)
	log     *slog.Logger
}

// New takes where to write, who opens, and who is told what was applied.
func New(client *elastic.Client, keys Keys, targets feed.Each, applied func(context.Context, []feed.Item), log *slog.Logger) *Projector {
	return &Projector{elastic: client, keys: keys, targets: targets, applied: applied, log: log}
}

type answer struct {
	at   int
	env  *contract.Envelope
	rsvp contract.RSVP
}

// Handle is a kafkabus.Handler.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	newest := map[string]answer{}
	for _, it := range items {
		if contract.AboutOf(it.Envelope.Type) != contract.AboutRSVP {
			continue
		}
		body, err := it.Envelope.RSVP()
		if err == nil && body.RSVP.ID == "" {
			err = fmt.Errorf("%s names no RSVP", it.Envelope.ID())
		}
		if err != nil {
			rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, err))
			continue
		}
		if before, there := newest[body.RSVP.ID]; !there || it.Envelope.Version > before.env.Version {
			newest[body.RSVP.ID] = answer{at: it.At, env: it.Envelope, rsvp: body.RSVP}
		}
	}
	guests, at, err := p.open(ctx, newest)
	if err != nil {
		return err
	}
	err = p.targets(ctx, func(target string) error {
		ops := make([]elastic.Op, len(guests))
		for i, g := range guests {
			ops[i] = elastic.Op{Index: target, ID: g.RSVPID, Version: g.Version, Doc: g}
		}
		return feed.Bulk(ctx, p.elastic, ops, func(i int, reason error) { rejects.Add(at[i], reason) })
	})
	if err == nil {
		err = p.eraseKept(ctx, guests, func(i int, reason error) { rejects.Add(at[i], reason) })
	}
	if err != nil {
		return err
	}
	p.applied(ctx, rejects.Others(items))
	return rejects.Err()
}

// eraseKept takes the erased out of the index that a rebuild keeps to go back to,
// which nothing else is written to.
func (p *Projector) eraseKept(ctx context.Context, guests []document.Guest, reject func(i int, reason error)) error {
	var ops []elastic.Op
	var of []int
	for i, g := range guests {
		if g.Erased {
			of = append(of, i)
			ops = append(ops, elastic.Op{Index: feed.Kept(document.GuestList), ID: g.RSVPID, Version: g.Version, Doc: g})
		}
	}
	if len(ops) == 0 {
		return nil
	}
	results, err := p.elastic.Bulk(ctx, ops)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.HTTP == http.StatusNotFound { // nothing is kept
			continue
		}
		rejected, retry := elastic.Sum([]elastic.Result{r})
		if retry != nil {
			return retry
		}
		if rejected[0] != nil {
			reject(of[i], fmt.Errorf("not erased in the index that is kept: %w", rejected[0]))
		}
	}
	return nil
}

// open decrypts the answers. What cannot be opened for good gets a placeholder.
func (p *Projector) open(ctx context.Context, newest map[string]answer) ([]document.Guest, []int, error) {
	ids := make([]string, 0, len(newest))
	for id, a := range newest {
		if !a.rsvp.Erased {
			ids = append(ids, id)
		}
	}
	var keys seal.DataKeys
	if len(ids) > 0 {
		var err error
		if keys, err = p.keys.Fetch(ctx, ids); err != nil {
			return nil, nil, err
		}
	}
	guests := make([]document.Guest, 0, len(newest))
	at := make([]int, 0, len(newest))
	for id, a := range newest {
		key := keys.Keys[id]
		if key == nil && !a.rsvp.Erased && !keys.Gone[id] && time.Since(a.env.RecordedAt) < unknownKeyWait {
			return nil, nil, fmt.Errorf("key of RSVP %s: %w", id, errNotYet)
		}
		personal, identity := p.decrypt(ctx, key, a.rsvp)
		guests, at = append(guests, document.NewGuest(a.env.Version, a.rsvp, personal, identity)), append(at, a.at)
	}
	return guests, at, nil
}

var errNotYet = errors.New("not known yet")

func (p *Projector) decrypt(ctx context.Context, key []byte, r contract.RSVP) (*contract.Personal, string) {
	if key == nil || r.Erased {
		return nil, ""
	}
	plain, err := seal.Open(key, r.Sealed, r.ID)
	if err != nil {
		// The seats are right all the same: the guest is listed without a name.
		p.log.ErrorContext(ctx, "sealed part of an RSVP cannot be opened", "rsvp", r.ID, "error", err)
		return nil, ""
	}
	var personal contract.Personal
	if err := contract.Read(plain, &personal); err != nil {
		p.log.ErrorContext(ctx, "sealed part of an RSVP is no JSON", "rsvp", r.ID)
		return nil, ""
	}
	return &personal, hex.EncodeToString(personal.EmailHMAC)
}
