package mail

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"github.com/skip2/go-qrcode"
)

// qrScale is the pixels per module; a ticket of 100 bytes has about 57.
const qrScale = 4

var qrPalette = color.Palette{color.White, color.Black}

// qrPNG draws the text as a QR code, one bit per pixel. The library's own PNG
// searches for the best compression and takes ten times as long.
func qrPNG(text string) ([]byte, error) {
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return nil, err
	}
	modules := code.Bitmap()
	side := len(modules) * qrScale
	img := image.NewPaletted(image.Rect(0, 0, side, side), qrPalette)
	for y, line := range modules {
		first := img.Pix[y*qrScale*img.Stride : (y*qrScale+1)*img.Stride]
		for x, black := range line {
			if black {
				for i := x * qrScale; i < (x+1)*qrScale; i++ {
					first[i] = 1
				}
			}
		}
		for i := 1; i < qrScale; i++ {
			copy(img.Pix[(y*qrScale+i)*img.Stride:], first)
		}
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&b, img); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
