package mail

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"rsc.io/qr"
)

// The picture is what the library draws, pixel by pixel, at our scale.
func TestATicketsPictureIsTheCode(t *testing.T) {
	t.Parallel()
	p, err := newPictures()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 { // image/png checks its sums, and that nothing is missing
		text := strings.Repeat(fmt.Sprintf("Ab3_-%dz", n*n*n), 40)[:134-n%2]
		raw, err := p.png(text)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		code, err := qr.Encode(text, qr.M)
		if err != nil {
			t.Fatal(err)
		}
		if want := (code.Size + 2*qrQuiet) * qrScale; img.Bounds().Dx() != want || img.Bounds().Dy() != want {
			t.Fatalf("%v, expected %d a side", img.Bounds(), want)
		}
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				r, _, _, _ := img.At(x, y).RGBA()
				if black := r == 0; black != code.Black(x/qrScale-qrQuiet, y/qrScale-qrQuiet) {
					t.Fatalf("pixel %d, %d", x, y)
				}
			}
		}
	}
}
