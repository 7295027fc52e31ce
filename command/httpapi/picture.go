package httpapi

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	_ "image/png" // decoders are found by the bytes of the picture, not by what the client says
	"math"
	"runtime/debug"

	scale "golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // a decoder, like that of PNG

	"github.com/turnout-events/turnout/internal/fault"
)

// What a picture may be, and what is made of it.
const (
	maxPixels    = 40_000_000 // of an upload: 160 MB decoded
	largePicture = 8_000_000  // pixels, from which the memory is given back at once
	minSide      = 16         // pixels
	maxCoverSide = 1600       // pixels, after scaling down
	coverQuality = 85
)

var coverTypes = []string{"image/png", "image/jpeg", "image/webp"}

var (
	errPictureType = fault.New(fault.Unsupported, "unsupported-picture", "The picture must be a PNG, JPEG or WebP")
	errPicture     = fault.New(fault.Unprocessable, "picture-unusable", "The picture cannot be used")
)

type picture struct {
	contentType   string
	body          []byte
	width, height int
}

// remake decodes the picture and encodes it anew as JPEG, turned upright and
// scaled down. Nothing of the upload survives but its pixels: no place where
// it was taken, no script in a comment, no second file behind the first.
func remake(raw []byte) (picture, error) {
	cfg, format, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil || format != "png" && format != "jpeg" && format != "webp" {
		return picture{}, errPictureType.Because(err)
	}
	// Before decoding: a few bytes can promise a picture that fills all memory.
	if cfg.Width < minSide || cfg.Height < minSide || cfg.Width > maxPixels/cfg.Height {
		return picture{}, errPicture.Detailf("%d × %d pixels; wants at least %d on each side and %d million in all.",
			cfg.Width, cfg.Height, minSide, maxPixels/1_000_000)
	}
	if cfg.Width*cfg.Height > largePicture {
		// The collector is set to come late (it waits for the heap to grow by several times): for this it would be gigabytes.
		defer debug.FreeOSMemory()
	}
	decoded, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return picture{}, errPicture.Detailf("It ends too early or is damaged.").Because(err)
	}
	upright := turn(shrink(decoded), orientation(raw))
	var out bytes.Buffer
	if err := jpeg.Encode(&out, upright, &jpeg.Options{Quality: coverQuality}); err != nil {
		return picture{}, err
	}
	size := upright.Bounds().Size()
	return picture{contentType: "image/jpeg", body: out.Bytes(), width: size.X, height: size.Y}, nil
}

// shrink draws the picture on white (JPEG knows no transparency), no side
// longer than maxCoverSide.
func shrink(src image.Image) *image.RGBA {
	size := src.Bounds().Size()
	factor := math.Min(1, maxCoverSide/float64(max(size.X, size.Y)))
	w, h := max(1, int(math.Round(float64(size.X)*factor))), max(1, int(math.Round(float64(size.Y)*factor)))
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(dst, dst.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	if w == size.X && h == size.Y {
		draw.Draw(dst, dst.Bounds(), src, src.Bounds().Min, draw.Over)
	} else {
		scale.CatmullRom.Scale(dst, dst.Bounds(), src, src.Bounds(), scale.Over, nil)
	}
	return dst
}

// turn applies an EXIF orientation (1 to 8), which is lost with the metadata.
func turn(src *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return src
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		dst = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			dx, dy := place(orientation, x, y, w, h)
			dst.SetRGBA(dx, dy, src.RGBAAt(x, y))
		}
	}
	return dst
}

// place is where the pixel at x, y belongs once the picture is upright.
func place(orientation, x, y, w, h int) (int, int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	default: // 8
		return y, w - 1 - x
	}
}
