package command_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

// red is a picture whose left half is red, so that turning it shows.
func red(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{R: 255, A: 255}
			if x >= w/2 {
				c = color.RGBA{B: 255, A: 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func asJPEG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asPNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A draft that is cancelled was never anybody's business but its organization's; an event that was published is.
func TestWhatWasNeverPublishedStaysHidden(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	draft := r.do(request{method: "POST", path: "/v1/events", auth: auth, body: draft(orgID, nil)}).want(http.StatusCreated).text("id")
	for eventID, want := range map[string]int{draft: http.StatusNotFound, r.published(auth, orgID, nil): http.StatusOK} {
		path := "/v1/events/" + eventID
		r.do(request{method: "PUT", path: path + "/cover", auth: auth, body: asPNG(t, red(32, 32)), header: map[string]string{"Content-Type": "image/png"}}).want(http.StatusOK)
		r.do(request{method: "POST", path: path + "/cancel", auth: auth, body: `{}`}).want(http.StatusOK)
		r.do(request{method: "GET", path: path + "/cover"}).want(want)
		r.do(request{method: "GET", path: path + "/certificate"}).want(want)
		if got := r.answer(eventID, "ada", 1); (got.status == http.StatusNotFound) != (want == http.StatusNotFound) {
			t.Errorf("an answer to it: %s", got.body)
		}
		r.do(request{method: "GET", path: path + "/cover", auth: auth}).want(http.StatusOK)
	}
}

// exif puts metadata into a JPEG: an orientation, and where it was taken.
func exif(picture []byte, orientation uint16) []byte {
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00")
	tiff = binary.LittleEndian.AppendUint16(tiff, 0x0112)
	tiff = binary.LittleEndian.AppendUint16(tiff, 3)
	tiff = binary.LittleEndian.AppendUint32(tiff, 1)
	tiff = binary.LittleEndian.AppendUint16(tiff, orientation)
	tiff = append(tiff, 0, 0, 0, 0, 0, 0)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	segment = append(segment, "GPS 52.52N 13.40E"...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, byte((len(segment)+2)>>8), byte(len(segment)+2))
	return append(append(out, segment...), picture[2:]...)
}

// bomb is a PNG of a few bytes that promises 50,000 × 50,000 pixels.
func bomb(picture []byte) []byte {
	out := bytes.Clone(picture)
	binary.BigEndian.PutUint32(out[16:], 50_000)
	binary.BigEndian.PutUint32(out[20:], 50_000)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

func TestCoversAreMadeAnew(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	made := r.do(request{method: "POST", path: "/v1/events", auth: auth, body: draft(orgID, nil)}).want(http.StatusCreated)
	eventID := made.text("id")
	path := "/v1/events/" + eventID + "/cover"
	put := func(kind string, picture []byte) response {
		return r.do(request{method: "PUT", path: path, auth: auth, body: picture, header: map[string]string{"Content-Type": kind}})
	}
	small := asPNG(t, red(64, 32))
	put("image/gif", small).want(http.StatusUnsupportedMediaType, "unsupported-picture")
	put("image/png", []byte("<svg onload=alert(1)>")).want(http.StatusUnsupportedMediaType, "unsupported-picture")
	put("image/png", nil).want(http.StatusUnsupportedMediaType)
	put("image/png", bomb(small)).want(http.StatusUnprocessableEntity, "picture-unusable")
	put("image/png", small[:len(small)/2]).want(http.StatusUnprocessableEntity, "picture-unusable")
	put("image/png", asPNG(t, red(8, 8))).want(http.StatusUnprocessableEntity, "picture-unusable")
	put("image/png", make([]byte, 9<<20)).want(http.StatusRequestEntityTooLarge)
	r.do(request{method: "GET", path: path}).want(http.StatusNotFound)

	// A photo taken with the camera on its side, larger than a page needs.
	photo := append(exif(asJPEG(t, red(1800, 900)), 6), "<script>alert(1)</script>"...)
	got := put("image/jpeg", photo).want(http.StatusOK)
	var e struct {
		Cover struct {
			SHA256        string
			Width, Height int
		}
		Revision, Sequence int
	}
	if err := json.Unmarshal(got.body, &e); err != nil || e.Cover.Width != 800 || e.Cover.Height != 1600 {
		t.Fatalf("cover %+v, %v: want 800 × 1600, upright", e, err)
	}
	if e.Revision != 2 || e.Sequence != 0 {
		t.Errorf("revision %d, sequence %d: a picture moves no calendar", e.Revision, e.Sequence)
	}
	r.do(request{method: "GET", path: path}).want(http.StatusNotFound) // a draft
	r.do(request{method: "GET", path: path, auth: r.signUp("stranger@example.org")}).want(http.StatusNotFound)
	own := r.do(request{method: "GET", path: path, auth: auth}).want(http.StatusOK)
	if kept := own.header.Get("Cache-Control"); !strings.HasPrefix(kept, "private") {
		t.Errorf("a draft's picture may be kept by shared caches: %q", kept)
	}
	r.do(request{method: "POST", path: "/v1/events/" + eventID + "/publish", auth: auth}).want(http.StatusOK)
	shown := r.do(request{method: "GET", path: "/v1/events/" + made.text("slug") + "/cover"}).want(http.StatusOK)
	if shown.header.Get("ETag") != `"`+e.Cover.SHA256+`"` || shown.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("headers %v", shown.header)
	}
	for _, trace := range []string{"Exif", "GPS", "script"} {
		if strings.Contains(string(shown.body), trace) {
			t.Errorf("%q of the upload is still in it", trace)
		}
	}
	img, _, err := image.Decode(bytes.NewReader(shown.body))
	if err != nil {
		t.Fatal(err)
	}
	if r, _, b, _ := img.At(400, 100).RGBA(); r < b {
		t.Errorf("what was left is not on top: the picture was not turned")
	}
	r.do(request{method: "GET", path: path, header: map[string]string{"If-None-Match": shown.header.Get("ETag")}}).want(http.StatusNotModified)

	r.ageCovers()
	put("image/png", small).want(http.StatusOK)
	if kept := r.covers(eventID); kept != 1 {
		t.Errorf("%d pictures kept, want 1", kept)
	}
	r.do(request{method: "DELETE", path: path, auth: auth}).want(http.StatusOK)
	r.do(request{method: "GET", path: path}).want(http.StatusNotFound)
}

// A picture in any format that is promised becomes a JPEG; what it is, its bytes say.
func TestCoversOfEveryFormat(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	path := "/v1/events/" + eventID + "/cover"
	// 64 × 32 in one colour, lossless: a header and a code of one symbol per channel.
	webp := []byte("RIFF\x18\x00\x00\x00WEBPVP8L\x0c\x00\x00\x00\x2f\x3f\xc0\x07\x00\x28\x40\xff\x0b\xd0\xff\x00")
	for kind, picture := range map[string][]byte{
		"image/webp": webp, "image/png": asPNG(t, red(64, 32)), "image/jpeg": asJPEG(t, red(64, 32)),
	} {
		r.do(request{method: "PUT", path: path, auth: auth, body: picture, header: map[string]string{"Content-Type": kind}}).want(http.StatusOK)
		shown := r.do(request{method: "GET", path: path}).want(http.StatusOK)
		img, format, err := image.Decode(bytes.NewReader(shown.body))
		if err != nil || format != "jpeg" || shown.header.Get("Content-Type") != "image/jpeg" || img.Bounds() != image.Rect(0, 0, 64, 32) {
			t.Fatalf("%s became %s %s, %v", kind, shown.header.Get("Content-Type"), format, err)
		}
		if r, g, b, _ := img.At(8, 16).RGBA(); r>>8 < 200 || g>>8 > 60 || b>>8 > 60 {
			t.Errorf("%s: what was red is %d %d %d", kind, r>>8, g>>8, b>>8)
		}
	}
}

// ageCovers makes all pictures older than any request that could be about to name them.
func (r *role) ageCovers() {
	r.t.Helper()
	if _, err := r.pool.Exec(r.t.Context(), `UPDATE event_cover SET created_at = created_at - interval '1 hour'`); err != nil {
		r.t.Fatal(err)
	}
}

// covers is how many pictures of an event are kept.
func (r *role) covers(eventID string) (n int) {
	r.t.Helper()
	if err := r.pool.QueryRow(r.t.Context(), `SELECT count(*) FROM event_cover WHERE event_id = $1`, eventID).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// The picture that an event shows stays, whoever else sent one: at the same time, or again with the key of one that was
// replaced. One that is not named yet stays for a while; what nobody names is swept.
func TestThePictureAnEventShowsIsKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	path := "/v1/events/" + eventID + "/cover"
	put := func(width int, key string) request {
		return request{method: "PUT", path: path, auth: auth, key: key, body: asPNG(t, red(width, 32)),
			header: map[string]string{"Content-Type": "image/png"}}
	}
	first := put(32, unique(t))
	r.do(first).want(http.StatusOK)
	r.do(put(40, "")).want(http.StatusOK)
	r.ageCovers()
	r.do(first).want(http.StatusOK) // the answer of then
	r.do(request{method: "GET", path: path}).want(http.StatusOK)

	// Both wait for the event, and then one comes after the other.
	hold, err := r.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Exec(t.Context(), `SELECT FROM event_counter FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	before := r.covers(eventID)
	var wg sync.WaitGroup
	for _, width := range []int{48, 56} {
		wg.Go(func() {
			if got, err := r.try(put(width, "")); err != nil || got.status != http.StatusOK {
				t.Errorf("%d %s, %v", got.status, got.body, err)
			}
		})
	}
	testkit.Eventually(t, 10*time.Second, 5*time.Millisecond, func() error {
		if n := r.covers(eventID); n < before+2 {
			return fmt.Errorf("%d pictures, want %d", n, before+2)
		}
		return nil
	})
	if err := hold.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	r.do(request{method: "GET", path: path}).want(http.StatusOK)

	if _, err := r.pool.Exec(t.Context(), `INSERT INTO event_cover VALUES ($1, '\x01', 'image/png', '\x02', now())`, eventID); err != nil {
		t.Fatal(err)
	}
	r.do(request{method: "DELETE", path: path, auth: auth}).want(http.StatusOK)
	var waits bool
	if err := r.pool.QueryRow(t.Context(), `SELECT count(*) = 1 FROM event_cover WHERE sha256 = '\x01'`).Scan(&waits); err != nil || !waits {
		t.Errorf("a picture that another request is about to name is gone, %v", err)
	}
	r.do(put(64, "")).want(http.StatusOK)
	r.ageCovers()
	r.again() // looks at its start
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
		if n := r.covers(eventID); n != 1 {
			return fmt.Errorf("%d pictures are kept, want the one that is shown", n)
		}
		return nil
	})
	r.do(request{method: "GET", path: path}).want(http.StatusOK)
}

// Copies show the picture of their source, and keep it when the source gets another.
func TestCopiesShowThePictureOfTheirSource(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	put := func(width int) {
		r.do(request{method: "PUT", path: "/v1/events/" + eventID + "/cover", auth: auth, body: asPNG(t, red(width, 32)),
			header: map[string]string{"Content-Type": "image/png"}}).want(http.StatusOK)
	}
	put(32)
	copied := r.do(request{method: "POST", path: "/v1/events/" + eventID + "/duplicate", auth: auth}).want(http.StatusOK)
	repeated := r.do(request{method: "POST", path: "/v1/events/" + eventID + "/repeat", auth: auth,
		body: map[string]string{"rrule": "FREQ=WEEKLY;COUNT=3"}}).want(http.StatusOK)
	var series struct {
		Items []struct{ ID string }
	}
	if err := json.Unmarshal(repeated.body, &series); err != nil || len(series.Items) != 2 {
		t.Fatalf("%s: %v", repeated.body, err)
	}
	r.ageCovers()
	put(48)
	for _, id := range []string{copied.text("id"), series.Items[0].ID, series.Items[1].ID} {
		r.do(request{method: "GET", path: "/v1/events/" + id + "/cover", auth: auth}).want(http.StatusOK)
	}
}
