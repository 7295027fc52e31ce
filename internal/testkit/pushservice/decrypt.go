package pushservice

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Decrypt opens a body of one record with the subscriber's key and secret. It
// is written from RFC 8188 and RFC 8291 alone, apart from what the product
// sends with, and proven by the example of RFC 8291, appendix A.
func Decrypt(key *ecdh.PrivateKey, auth, body []byte) ([]byte, error) {
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return nil, errors.New("no header of aes128gcm")
	}
	salt, recordSize, sender, record := body[:16], binary.BigEndian.Uint32(body[16:20]), body[21:21+int(body[20])], body[21+int(body[20]):]
	if len(record) > int(recordSize) {
		return nil, errors.New("more than one record")
	}
	peer, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	secret, err := key.ECDH(peer)
	if err != nil {
		return nil, err
	}
	// RFC 8291, 3.4.
	ikm, err := derive(secret, auth, "WebPush: info\x00"+string(key.PublicKey().Bytes())+string(sender), 32)
	if err != nil {
		return nil, err
	}
	contentKey, err := derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := derive(ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	padded, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, err
	}
	for i := len(padded) - 1; i >= 0; i-- { // RFC 8188, 2: the last record ends in 2 and zeros
		switch padded[i] {
		case 0:
		case 2:
			return padded[:i], nil
		default:
			return nil, errors.New("padding of no last record")
		}
	}
	return nil, errors.New("nothing but padding")
}

func derive(secret, salt []byte, info string, size int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, salt, info, size)
}
