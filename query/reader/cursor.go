package reader

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// cursor is where a page ended. It belongs to one query and keeps what else the
// pages must agree on: the time that parts past from future, and whether typos
// were forgiven.
type cursor struct {
	Query string            `json:"q"`
	Now   time.Time         `json:"n,omitzero"`
	Fuzzy bool              `json:"f,omitempty"`
	After []json.RawMessage `json:"a"`
}

func (c cursor) encode() (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// decodeCursor refuses a cursor of another query.
func decodeCursor(s, query string, keys int) (cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) > 8<<10 {
		return cursor{}, ErrCursor
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil || c.Query != query || len(c.After) != keys {
		return cursor{}, ErrCursor
	}
	for _, v := range c.After {
		if len(v) == 0 || v[0] == '{' || v[0] == '[' {
			return cursor{}, ErrCursor
		}
	}
	return c, nil
}

func (c cursor) after() []any {
	out := make([]any, len(c.After))
	for i, v := range c.After {
		out[i] = v
	}
	return out
}

// fingerprint binds a cursor to its query: everything but the page's size.
func fingerprint(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("fingerprint of a query: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}

func km(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) + "km" }
