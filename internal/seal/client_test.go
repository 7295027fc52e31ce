package seal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/turnout-events/turnout/internal/seal"
)

func TestKeyClientTellsGoneFromUnknownFromAway(t *testing.T) {
	t.Parallel()
	var requests, largest atomic.Int32
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if down.Load() || r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != seal.KeyPath {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var req seal.KeyRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		largest.Store(max(largest.Load(), int32(len(req.IDs))))
		answer := seal.KeyAnswer{Keys: map[string][]byte{}}
		for _, id := range req.IDs {
			switch id[:4] {
			case "key-":
				answer.Keys[id] = []byte(id)
			case "gone":
				answer.Gone = append(answer.Gone, id)
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)

	client, err := seal.NewKeyClient(server.URL+"/", "secret", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"gone-1", "none-1", "gone-1"}
	for i := range 1100 {
		ids = append(ids, fmt.Sprintf("key-%d", i))
	}
	for range 2 {
		got, err := client.Fetch(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Keys) != 1100 || string(got.Keys["key-7"]) != "key-7" || !got.Gone["gone-1"] || len(got.Gone) != 1 {
			t.Fatalf("%d keys, gone %v", len(got.Keys), got.Gone)
		}
	}
	if largest.Load() > seal.MaxKeyIDs {
		t.Errorf("a request named %d ids", largest.Load())
	}
	if n := requests.Load(); n != 4 { // three pages, then only the unknown one again
		t.Errorf("%d requests, want 4: known and gone keys are cached, unknown ones are not", n)
	}
	down.Store(true)
	if _, err := client.Fetch(t.Context(), []string{"none-1"}); !errors.Is(err, seal.ErrKeysAway) {
		t.Errorf("endpoint away: %v, want ErrKeysAway", err)
	}
	if got, err := client.Fetch(t.Context(), []string{"key-1", "gone-1"}); err != nil || !got.Gone["gone-1"] || got.Keys["key-1"] == nil {
		t.Errorf("cached keys with the endpoint away: %v, %v", got, err)
	}
}
