package admission

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/seal"
)

// A stored answer is, before sealing: the revision (8 bytes), the length of the event's id (1 byte), the id, the body.
const answerHeader = 8 + 1

func sealOwner(k pgstore.Key) string { return k.Scope + "\x00" + k.Key }

// seal because an answer has a manage token in it.
func (d *Desk) seal(k pgstore.Key, a Answer) ([]byte, error) {
	if len(a.EventID) > 255 {
		return nil, errors.New("event id is too long")
	}
	plain := make([]byte, 0, answerHeader+len(a.EventID)+len(a.Body))
	plain = binary.BigEndian.AppendUint64(plain, uint64(a.Revision)) //nolint:gosec // counts from 1
	plain = append(plain, byte(len(a.EventID)))
	plain = append(append(plain, a.EventID...), a.Body...)
	return d.answers[0].Seal(plain, sealOwner(k))
}

// Earlier gives the answer that a client's key had before. A caller asks when it refuses a request by what it sees now
// (a question was added, a start has passed): the same request may have been accepted then, and gets the same again.
func (d *Desk) Earlier(ctx context.Context, scope, key string, hash [32]byte) (a Answer, found bool, err error) {
	w := &waiting{Request: Request{RequestHash: hash}, key: pgstore.Key{Scope: scope, Key: key}}
	stored, err := d.store.Earlier(ctx, w.key)
	if err != nil || stored == nil {
		return Answer{}, false, err
	}
	a, err = d.replay(w, *stored)
	return a, true, err
}

// replay gives a stored answer again, or refuses a key that was used for another request.
func (d *Desk) replay(w *waiting, a pgstore.Answer) (Answer, error) {
	if !bytes.Equal(a.RequestHash, w.RequestHash[:]) {
		return Answer{}, ErrKeyReused
	}
	return d.unseal(w.key, a)
}

func (d *Desk) unseal(k pgstore.Key, a pgstore.Answer) (Answer, error) {
	for _, box := range d.answers {
		plain, err := box.Open(a.Sealed, sealOwner(k))
		if err != nil {
			continue
		}
		if len(plain) < answerHeader || len(plain) < answerHeader+int(plain[8]) {
			return Answer{}, errors.New("stored answer is too short")
		}
		end := answerHeader + int(plain[8])
		return Answer{
			Status: a.Status, Version: a.Version, Replayed: true,
			Revision: int64(binary.BigEndian.Uint64(plain)), //nolint:gosec // counts from 1
			EventID:  string(plain[answerHeader:end]), Body: plain[end:],
		}, nil
	}
	return Answer{}, fmt.Errorf("stored answer: %w", seal.ErrOpen)
}
