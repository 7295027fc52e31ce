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

// phc hashes with a new salt: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func phc(password string) (string, error) {
	salt := make([]byte, hashSaltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("random salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashLanes, hashKeyLen)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, hashLanes,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

var errHash = errors.New("password hash cannot be read")

func check(password, hash string) (ok, stale bool, err error) {
	parts := strings.Split(hash, "$")
	var version int
	var memory, passes uint32
	var lanes uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, false, errHash
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, false, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil || lanes == 0 || passes == 0 {
		return false, false, errHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, false, errHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false, false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	stale = memory != hashMemory || passes != hashPasses || lanes != hashLanes || len(want) != hashKeyLen
	return subtle.ConstantTimeCompare(got, want) == 1, stale, nil
}
