package mail

import (
	"fmt"

	"rsc.io/qr"
	"rsc.io/qr/coding"
)

const (
	// A ticket's text has 135 characters. Version 8 at level M holds 152 bytes
	// and survives 15 % of damage: a scratched screen, a fold.
	qrVersion = 8
	qrLevel   = coding.M
	// qrMask is fixed. The standard lets a writer choose the mask that looks
	// calmest; readers read any. Comparing all eight, as skip2/go-qrcode does,
	// took two thirds of the time of writing a whole mail.
	qrMask = 0
	// qrScale is the pixels per module.
	qrScale = 4
)

// pictures draws tickets; it is read only, and safe for concurrent use.
type pictures struct{ plan *coding.Plan }

func newPictures() (*pictures, error) {
	plan, err := coding.NewPlan(qrVersion, qrLevel, qrMask)
	if err != nil {
		return nil, fmt.Errorf("plan of the ticket's picture: %w", err)
	}
	return &pictures{plan: plan}, nil
}

// png draws the text as a QR code, one bit per pixel.
func (p *pictures) png(text string) ([]byte, error) {
	code, err := p.plan.Encode(coding.String(text))
	if err != nil {
		return nil, err
	}
	picture := qr.Code{Bitmap: code.Bitmap, Size: code.Size, Stride: code.Stride, Scale: qrScale}
	return picture.PNG(), nil
}
