package httpapi

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"
)

// Whatever bytes come: no panic, and what is made of a picture is a picture
// within bounds.
func FuzzPicture(f *testing.F) {
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewRGBA(image.Rect(0, 0, 20, 16)), nil); err != nil {
		f.Fatal(err)
	}
	raw := small.Bytes()
	f.Add([]byte{})
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add(append([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"), raw[2:]...))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00*\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if cfg, _, err := image.DecodeConfig(bytes.NewReader(raw)); err == nil && cfg.Width*cfg.Height > 1_000_000 {
			t.Skip("allowed, and slow") // bounded by maxPixels
		}
		p, err := remake(raw)
		if err != nil {
			return
		}
		made, err := jpeg.DecodeConfig(bytes.NewReader(p.body))
		if err != nil || made.Width != p.width || made.Height != p.height || max(p.width, p.height) > maxCoverSide {
			t.Errorf("%d × %d, said to be %d × %d: %v", made.Width, made.Height, p.width, p.height, err)
		}
	})
}
