package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// MAC is HMAC-SHA-256 under one key. Making one hashes the key twice and allocates half a kilobyte, so they are kept.
// Safe for concurrent use; the zero MAC is of no use.
type MAC struct{ idle sync.Pool }

// NewMAC takes the key; it is not copied.
func NewMAC(key []byte) *MAC {
	return &MAC{idle: sync.Pool{New: func() any { return &keyed{hash: hmac.New(sha256.New, key)} }}}
}

type keyed struct {
	hash hash.Hash
	buf  []byte // of a text, which a Hash takes as bytes only
	sum  [sha256.Size]byte
}

// longest is of a buffer that is kept.
const longest = 4 << 10

// Sum is over the parts, one after the other.
func (m *MAC) Sum(texts []string, body []byte) [sha256.Size]byte {
	k, _ := m.idle.Get().(*keyed) // the pool makes no other
	defer m.idle.Put(k)
	k.hash.Reset()
	k.buf = k.buf[:0]
	for _, text := range texts {
		k.buf = append(append(k.buf, text...), 0)
	}
	k.hash.Write(k.buf)
	k.hash.Write(body)
	k.hash.Sum(k.sum[:0])
	if cap(k.buf) > longest {
		k.buf = nil
	}
	return k.sum
}

// short is the MAC of what tokens carry.
func (m *MAC) short(body []byte) (out [macSize]byte) {
	sum := m.Sum(nil, body)
	copy(out[:], sum[:])
	return out
}

func macs(keys [][]byte) []*MAC {
	out := make([]*MAC, len(keys))
	for i, key := range keys {
		out[i] = NewMAC(key)
	}
	return out
}
