package seal

import "crypto/cipher"

// Box is a key made ready once: for a key that seals much, as that of stored answers does. Making AES ready costs as much
// as encrypting half a kilobyte, and more memory. Safe for concurrent use.
type Box struct{ aead cipher.AEAD }

// NewBox takes a key of KeySize bytes.
func NewBox(key []byte) (Box, error) {
	aead, err := newAEAD(key)
	return Box{aead}, err
}

// Boxes makes every key of a purpose ready, in their order.
func Boxes(keys [][]byte) ([]Box, error) {
	boxes := make([]Box, len(keys))
	for i, key := range keys {
		var err error
		if boxes[i], err = NewBox(key); err != nil {
			return nil, err
		}
	}
	return boxes, nil
}

// Seal is the package's Seal with the box's key.
func (b Box) Seal(plain []byte, owner string) ([]byte, error) { return sealWith(b.aead, plain, owner) }

// Open is the inverse of Seal; also of the package's, with the same key.
func (b Box) Open(sealed []byte, owner string) ([]byte, error) {
	return openWith(b.aead, sealed, owner)
}
