package token

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Algorithm is the only one that access tokens are signed with (RFC 7518).
const Algorithm = "RS256"

type jwk struct {
	KeyType   string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	Modulus   string `json:"n"`
	Exponent  string `json:"e"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

// EncodeJWKS writes public keys as a JWK set (RFC 7517), by their key ids in
// the order given.
func EncodeJWKS(ids []string, keys map[string]*rsa.PublicKey) ([]byte, error) {
	set := jwkSet{Keys: make([]jwk, 0, len(ids))}
	for _, id := range ids {
		key := keys[id]
		if key == nil {
			return nil, fmt.Errorf("jwks: no key %q", id)
		}
		set.Keys = append(set.Keys, jwk{
			KeyType: "RSA", Use: "sig", Algorithm: Algorithm, ID: id,
			Modulus:  base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			Exponent: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	return json.Marshal(set)
}

// DecodeJWKS reads the RSA signature keys of a JWK set; others are passed over.
func DecodeJWKS(body []byte) (map[string]*rsa.PublicKey, error) {
	var set jwkSet
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	keys := make(map[string]*rsa.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		if k.KeyType != "RSA" || k.ID == "" || (k.Algorithm != "" && k.Algorithm != Algorithm) {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(k.Modulus)
		if err != nil {
			return nil, fmt.Errorf("jwks: modulus of %q: %w", k.ID, err)
		}
		e, err := base64.RawURLEncoding.DecodeString(k.Exponent)
		if err != nil || len(e) == 0 || len(e) > 4 {
			return nil, fmt.Errorf("jwks: exponent of %q is not one of RSA", k.ID)
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		// Below 2048 bits a forged signature is within reach (RFC 7518, 3.3).
		if key.N.BitLen() < 2048 || key.E < 3 {
			return nil, fmt.Errorf("jwks: key %q is too weak", k.ID)
		}
		keys[k.ID] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("jwks: no RSA key in it")
	}
	return keys, nil
}
