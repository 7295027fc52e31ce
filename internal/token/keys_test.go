package token

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"time"
)

// While the keys are fetched and their source hangs, who has a known key does
// not wait; who has an unknown one waits for the same fetch.
func TestKnownKeysDoNotWaitForAFetch(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}, 10), make(chan map[string]*rsa.PublicKey)
	v := NewVerifierFrom(func(context.Context) (map[string]*rsa.PublicKey, error) {
		asked <- struct{}{}
		if keys := <-answer; keys != nil {
			return keys, nil
		}
		return nil, errors.New("away")
	})
	old := map[string]*rsa.PublicKey{"a": &private.PublicKey}
	v.keys = old // and fetched long ago
	found := make(chan error, 3)
	find := func(kid string) {
		_, err := v.key(t.Context(), kid)
		found <- err
	}
	go find("a")
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	known := make(chan error, 1)
	go func() {
		_, err := v.key(ctx, "a")
		known <- err
	}()
	select {
	case err := <-known:
		if err != nil {
			t.Errorf("a known key: %v", err)
		}
	case <-ctx.Done():
		t.Error("a known key waits")
	}
	go find("b")
	answer <- map[string]*rsa.PublicKey{"a": &private.PublicKey, "b": &private.PublicKey}
	for range 2 {
		if err := <-found; err != nil {
			t.Errorf("after the fetch: %v", err)
		}
	}
	if n := len(asked); n != 0 {
		t.Errorf("%d more fetches", n)
	}

	v.keys, v.fetched, v.tried = old, time.Time{}, time.Time{}
	go find("a")
	<-asked
	answer <- nil
	if err := <-found; err != nil {
		t.Errorf("a known key whose source is away: %v", err)
	}
}
