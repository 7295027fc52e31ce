package httpapi

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
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
	seen := image.NewPaletted(image.Rect(0, 0, 20, 16), color.Palette{color.Transparent, color.Black})
	for _, img := range []image.Image{image.NewRGBA(seen.Rect), image.NewGray16(seen.Rect), seen} {
		var small bytes.Buffer
		if err := png.Encode(&small, img); err != nil {
			f.Fatal(err)
		}
		f.Add(small.Bytes())
		f.Add(small.Bytes()[:small.Len()/2])
	}
	const webp = "RIFF\x18\x00\x00\x00WEBPVP8L\x0c\x00\x00\x00\x2f\x13\xc0\x03\x00\x28\x40\xff\x0b\xd0\xff\x00" // 20 × 16, red, lossless
	f.Add([]byte(webp))
	f.Add([]byte(webp[:26]))
	f.Add([]byte(strings.Replace(webp, "\x13\xc0\x03", "\xff\xff\xff", 1))) // promises 16,384 × 16,384
	f.Add([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x13\x00\x00\x0f\x00\x00"))
	f.Add([]byte("RIFF\x16\x00\x00\x00WEBPVP8 \x0a\x00\x00\x00\x10\x00\x00\x9d\x01\x2a\x14\x00\x10\x00"))
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

// Whatever stands in the headers that clients write freely, and in the query of
// the history: no panic, a refusal is the client's fault, and what is taken is
// within bounds.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{"", "*", `"3"`, `W/"3"`, `"-1"`, `"0"`, `"99999999999999999999"`, "press-1", `"press-1"`, `""`, `"`, "\x00", "\x7f", "\xff",
		strings.Repeat("k", 256), "2026-05-01T12:00:00Z", "2026-05-01T12:00:00+02:00", "100", "101"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		c.Request.Header[headerKey], c.Request.Header[headerIfMatch] = []string{text}, []string{text}
		query := c.Request.URL.Query()
		for _, name := range []string{"as_of", "limit", "cursor"} {
			query.Set(name, text)
		}
		c.Request.URL.RawQuery = query.Encode()

		k, err := key(c, true)
		theirs(t, text, err)
		if err == nil && (k == "" || len(k) > maxKey || !utf8.ValidString(k) || strings.ContainsAny(k, "\x00\r\n\x7f")) {
			t.Errorf("key %q was taken of %q", k, text)
		}
		n, err := revision(c)
		theirs(t, text, err)
		if n < 0 {
			t.Errorf("revision %d of %q", n, text)
		}
		_, err = queryTime(c, "as_of")
		theirs(t, text, err)
		after, limit, err := page(c)
		theirs(t, text, err)
		if err == nil && (limit < 1 || limit > 100 || after < 0) {
			t.Errorf("a page of %d after %d, of %q", limit, after, text)
		}
	})
}

// theirs fails when a refusal is not one that a client is told.
func theirs(t *testing.T, text string, err error) {
	t.Helper()
	if err != nil && fault.As(err) == nil {
		t.Errorf("%q: %v is not the client's fault", text, err)
	}
}
