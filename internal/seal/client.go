package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The key endpoint of the command role, on its ops address.
const (
	KeyPath = "/internal/v1/keys"
	// MaxKeyIDs is how many ids one request may name.
	MaxKeyIDs = 500
)

const (
	// keyFresh bounds how long an erased key can live on in another role.
	keyFresh     = 60 * time.Second
	keyCacheSize = 20_000 // keys; about 3 MB
	keyTimeout   = 5 * time.Second
	maxKeyAnswer = 256 << 10
)

// ErrKeysAway means that the key endpoint did not answer: try again later.
// It never means that a key is gone.
var ErrKeysAway = errors.New("data keys cannot be fetched")

// KeyRequest is the body of a request to the key endpoint.
type KeyRequest struct {
	IDs []string `json:"ids"` // of RSVPs and accounts
}

// KeyAnswer is what the endpoint says about each id: its key, that the key was
// destroyed for good, or (in neither) that it knows no such id yet.
type KeyAnswer struct {
	Keys map[string][]byte `json:"keys"` // base64 in JSON
	Gone []string          `json:"gone"`
}

// DataKeys is the answer to Fetch. An id in neither is not known (yet): what
// names it came earlier than its row, or from another database.
type DataKeys struct {
	Keys map[string][]byte
	Gone map[string]bool
}

// KeyClient fetches data keys from the command role and keeps them for at most
// a minute. Safe for concurrent use.
type KeyClient struct {
	url    string
	secret string
	client *http.Client

	mu    sync.Mutex
	cache map[string]cachedKey
}

type cachedKey struct {
	key   []byte // nil: gone
	until time.Time
}

// NewKeyClient asks the command role's ops address (http://host:port) with the
// token that the roles share.
func NewKeyClient(opsURL, serviceToken string, client *http.Client) (*KeyClient, error) {
	if opsURL == "" || serviceToken == "" {
		return nil, errors.New("key client: the command role's ops address and the service token are needed")
	}
	return &KeyClient{
		url: strings.TrimSuffix(opsURL, "/") + KeyPath, secret: serviceToken, client: client,
		cache: map[string]cachedKey{},
	}, nil
}

// Fetch gives the data keys of RSVPs or accounts, any number of ids, at most
// MaxKeyIDs per request. The error wraps ErrKeysAway.
func (c *KeyClient) Fetch(ctx context.Context, ids []string) (DataKeys, error) {
	out := DataKeys{Keys: make(map[string][]byte, len(ids)), Gone: map[string]bool{}}
	missing := c.fromCache(ids, &out)
	for len(missing) > 0 {
		n := min(len(missing), MaxKeyIDs)
		answer, err := c.ask(ctx, missing[:n])
		if err != nil {
			return DataKeys{}, fmt.Errorf("%w: %w", ErrKeysAway, err)
		}
		c.keep(answer)
		for id, key := range answer.Keys {
			out.Keys[id] = key
		}
		for _, id := range answer.Gone {
			out.Gone[id] = true
		}
		missing = missing[n:]
	}
	return out, nil
}

func (c *KeyClient) fromCache(ids []string, out *DataKeys) (missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		if asked[id] {
			continue
		}
		asked[id] = true
		switch k, ok := c.cache[id]; {
		case !ok || now.After(k.until):
			missing = append(missing, id)
		case k.key == nil:
			out.Gone[id] = true
		default:
			out.Keys[id] = k.key
		}
	}
	return missing
}

func (c *KeyClient) keep(answer KeyAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cache)+len(answer.Keys)+len(answer.Gone) > keyCacheSize {
		clear(c.cache) // rare and cheap to fill again; keeps no key longer than needed
	}
	until := time.Now().Add(keyFresh)
	for id, key := range answer.Keys {
		c.cache[id] = cachedKey{key: key, until: until}
	}
	for _, id := range answer.Gone {
		c.cache[id] = cachedKey{until: until}
	}
}

func (c *KeyClient) ask(ctx context.Context, ids []string) (KeyAnswer, error) {
	body, err := json.Marshal(KeyRequest{IDs: ids})
	if err != nil {
		return KeyAnswer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return KeyAnswer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return KeyAnswer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return KeyAnswer{}, fmt.Errorf("%s answered %s", c.url, resp.Status)
	}
	var answer KeyAnswer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxKeyAnswer)).Decode(&answer); err != nil {
		return KeyAnswer{}, fmt.Errorf("answer of %s: %w", c.url, err)
	}
	return answer, nil
}
