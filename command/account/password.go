package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/turnout-events/turnout/internal/fault"
)

// argon2id's parameters (RFC 9106; the second choice of OWASP's password
// storage sheet: 19 MiB, 2 passes, 1 lane). A hash carries its own, so they
// can be raised: an old hash is made anew at the next sign-in.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashLanes   = 1
	hashSaltLen = 16
	hashKeyLen  = 32
)

// hashAgain is when to come back who found no room to have a password checked.
const hashAgain = 2 * time.Second

// hasher bounds how many hashes are made at a time: each takes 19 MiB and a
// core, and a flood of sign-ins must not take them from the RSVPs.
type hasher struct {
	slots chan struct{}
	decoy string // what an unknown address is compared with, so that it takes as long
}

func newHasher(parallel int) (*hasher, error) {
	h := &hasher{slots: make(chan struct{}, parallel)}
	var err error
	h.decoy, err = phc("no account has this password")
	return h, err
}

func (h *hasher) take(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fault.ErrUnavailable.Detailf("Other passwords are being checked.").After(hashAgain).Because(ctx.Err())
		}
		return ctx.Err() // the client has gone
	}
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.take(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	return phc(password)
}

// verify compares; stale tells that the hash was made with other parameters.
func (h *hasher) verify(ctx context.Context, password, hash string) (ok, stale bool, err error) {
	if err := h.take(ctx); err != nil {
		return false, false, err
	}
	defer func() { <-h.slots }()
	return check(password, hash)
}

// hashed is a password's hash with what it was made with.
type hashed struct {
	memory, passes uint32 // KiB, times
	lanes          uint8
	salt, key      []byte
}

// String is the PHC string: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (h hashed) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// phc hashes with a new salt.
func phc(password string) (string, error) {
	h := hashed{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, hashSaltLen)}
	if _, err := rand.Read(h.salt); err != nil {
		return "", fmt.Errorf("random salt: %w", err)
	}
	h.key = argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, hashKeyLen)
	return h.String(), nil
}

var errHash = errors.New("password hash cannot be read")

// Beyond these a hash is refused: one row of the table must not take all memory, or a core for hours.
const (
	mostMemory = 1024 * 1024 // KiB
	mostPasses = 64
)

func parsePHC(text string) (h hashed, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hashed{}, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil {
		return hashed{}, errHash
	}
	if h.lanes == 0 || h.passes == 0 || h.passes > mostPasses || h.memory > mostMemory {
		return hashed{}, errHash
	}
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return hashed{}, errHash
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return hashed{}, errHash
	}
	return h, nil
}

func check(password, hash string) (ok, stale bool, err error) {
	h, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	got := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.key)))
	stale = h.memory != hashMemory || h.passes != hashPasses || h.lanes != hashLanes || len(h.key) != hashKeyLen
	return subtle.ConstantTimeCompare(got, h.key) == 1, stale, nil
}
