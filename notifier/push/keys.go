package push

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// Keys is a VAPID key pair as settings and browsers write it: base64url, the
// private scalar of 32 bytes, the public point uncompressed.
type Keys struct{ Private, Public string }

// NewKeys makes a pair.
func NewKeys() (Keys, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Keys{}, err
	}
	return keysOf(key), nil
}

// ParseKey reads a private key and derives its public half.
func ParseKey(text string) (Keys, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Keys{}, errors.New("is not base64url without padding")
	}
	key, err := ecdh.P256().NewPrivateKey(raw)
	if err != nil {
		return Keys{}, errors.New("is not a key of P-256: wants 32 bytes; turnout push key makes one")
	}
	return keysOf(key), nil
}

func keysOf(key *ecdh.PrivateKey) Keys {
	return Keys{
		Private: base64.RawURLEncoding.EncodeToString(key.Bytes()),
		Public:  base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()),
	}
}

// CheckKeys says what is wrong with a browser's keys; nil: nothing. The
// address is egress.CheckURL's.
func CheckKeys(p256dh, auth string) (pointer string, err error) {
	point, err := decode(p256dh)
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(point)
	}
	if err != nil {
		return "/keys/p256dh", errors.New("is not base64url of an uncompressed P-256 point")
	}
	if secret, err := decode(auth); err != nil || len(secret) != 16 {
		return "/keys/auth", errors.New("is not base64url of 16 bytes")
	}
	return "", nil
}

// decode takes base64url with and without padding: browsers differ.
func decode(s string) ([]byte, error) {
	if raw, err := base64.RawURLEncoding.DecodeString(s); err == nil {
		return raw, nil
	}
	return base64.URLEncoding.DecodeString(s)
}
