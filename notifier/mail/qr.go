package mail

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"rsc.io/qr/coding"
)

const (
	// A ticket's text has 134 characters. Version 8 at level M holds 152 bytes
	// and survives 15 % of damage: a scratched screen, a fold.
	qrVersion = 8
	qrLevel   = coding.M
	// qrMask is fixed. The standard lets a writer choose the mask that looks
	// calmest; readers read any. Comparing all eight, as skip2/go-qrcode does,
	// took two thirds of the time of writing a whole mail.
	qrMask = 0
	// qrScale is the pixels per module, qrQuiet the modules of white around.
	qrScale = 4
	qrQuiet = 4
)

// pictures draws tickets. Safe for concurrent use.
type pictures struct {
	plan        *coding.Plan
	compressors sync.Pool
}

func newPictures() (*pictures, error) {
	plan, err := coding.NewPlan(qrVersion, qrLevel, qrMask)
	if err != nil {
		return nil, fmt.Errorf("plan of the ticket's picture: %w", err)
	}
	return &pictures{plan: plan}, nil
}

// png draws the text as a QR code: greyscale of one bit (PNG 1.2, 11.2.2).
// image/png takes ten times as long, for it expects any picture.
func (p *pictures) png(text string) ([]byte, error) {
	code, err := p.plan.Encode(coding.String(text))
	if err != nil {
		return nil, err
	}
	side := (code.Size + 2*qrQuiet) * qrScale
	var out bytes.Buffer
	out.WriteString("\x89PNG\r\n\x1a\n")
	head := binary.BigEndian.AppendUint32(nil, uint32(side))
	head = binary.BigEndian.AppendUint32(head, uint32(side))
	chunk(&out, "IHDR", append(head, 1, 0, 0, 0, 0)) // one bit, greyscale, not interlaced
	data, err := p.compress(rows(code, side))
	if err != nil {
		return nil, err
	}
	chunk(&out, "IDAT", data)
	chunk(&out, "IEND", nil)
	return out.Bytes(), nil
}

// rows are the picture's lines, each behind its filter: the first line of a
// row of modules as it is (0), its repetitions as no difference to the line
// above (2), which compresses to nothing.
func rows(code *coding.Code, side int) []byte {
	width := (side + 7) / 8
	raw := make([]byte, 0, side*(1+width))
	same := make([]byte, 1+width)
	same[0] = 2
	for y := -qrQuiet; y < code.Size+qrQuiet; y++ {
		line := bytes.Repeat([]byte{0xff}, 1+width) // white
		line[0] = 0
		for x := range code.Size {
			if y < 0 || y >= code.Size || !code.Black(x, y) {
				continue
			}
			for at := (x + qrQuiet) * qrScale; at < (x+qrQuiet+1)*qrScale; at++ {
				line[1+at/8] &^= 0x80 >> (at % 8)
			}
		}
		raw = append(raw, line...)
		for range qrScale - 1 {
			raw = append(raw, same...)
		}
	}
	return raw
}

// compress uses a compressor again: a new one allocates half a megabyte.
func (p *pictures) compress(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	w, there := p.compressors.Get().(*zlib.Writer)
	if there {
		w.Reset(&out)
	} else {
		var err error
		if w, err = zlib.NewWriterLevel(&out, zlib.BestSpeed); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	p.compressors.Put(w)
	return out.Bytes(), nil
}

func chunk(out *bytes.Buffer, kind string, data []byte) {
	_ = binary.Write(out, binary.BigEndian, uint32(len(data))) // a buffer takes everything
	body := append([]byte(kind), data...)
	out.Write(body)
	_ = binary.Write(out, binary.BigEndian, crc32.ChecksumIEEE(body))
}
