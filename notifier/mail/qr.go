package mail

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

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
	// qrModules is the modules a side of version 8, qrLine the bytes of a line of pixels behind its filter: a bit a pixel.
	qrModules = 49
	qrSide    = (qrModules + 2*qrQuiet) * qrScale
	qrLine    = 1 + (qrSide+7)/8
)

// pictures draws tickets. Safe for concurrent use.
type pictures struct {
	blank  modules // what every code has: patterns, format and mask
	places []place // of the bits of text and check bytes, in their order
}

// modules are the lines of a code, a module a bit from the highest on; black is 1.
type modules [qrModules]uint64

type place struct{ line, shift uint8 }

func newPictures() (*pictures, error) {
	plan, err := coding.NewPlan(qrVersion, qrLevel, qrMask)
	if err != nil {
		return nil, fmt.Errorf("plan of the ticket's picture: %w", err)
	}
	if len(plan.Pixel) != qrModules {
		return nil, fmt.Errorf("plan of the ticket's picture: %d modules a side, not %d", len(plan.Pixel), qrModules)
	}
	p := &pictures{places: make([]place, 8*(plan.DataBytes+plan.CheckBytes))}
	for y, line := range plan.Pixel {
		for x, pixel := range line {
			at := place{uint8(y), uint8(63 - x)}
			if pixel&coding.Black != 0 {
				p.blank[y] |= 1 << at.shift
			}
			if role := pixel.Role(); role == coding.Data || role == coding.Check {
				p.places[pixel.Offset()] = at
			}
		}
	}
	return p, nil
}

// code is what coding.Plan.Encode makes of a text, which asks every module for its role: that took a sixth of writing a
// mail (BenchmarkMessage).
func (p *pictures) code(text string) (modules, error) {
	var b coding.Bits
	written := coding.String(text)
	if err := written.Check(); err != nil {
		return modules{}, err
	}
	written.Encode(&b, qrVersion)
	if room := coding.Version(qrVersion).DataBytes(qrLevel); b.Bits() > 8*room {
		return modules{}, fmt.Errorf("%d bits are too many for a ticket's picture", b.Bits())
	}
	b.AddCheckBytes(qrVersion, qrLevel)
	lines, all := p.blank, b.Bytes()
	for i, at := range p.places {
		lines[at.line] ^= uint64(all[i/8]>>(7-i%8)&1) << at.shift
	}
	return lines, nil
}

// png draws the text as a QR code: greyscale of one bit (PNG 1.2, 11.2.2).
func (p *pictures) png(text string) ([]byte, error) {
	code, err := p.code(text)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, 1024)
	out = append(out, "\x89PNG\r\n\x1a\n"...)
	var head [13]byte
	binary.BigEndian.PutUint32(head[:], qrSide)
	binary.BigEndian.PutUint32(head[4:], qrSide)
	head[8] = 1 // bits; greyscale, not interlaced
	out = chunk(out, "IHDR", func(out []byte) []byte { return append(out, head[:]...) })
	out = chunk(out, "IDAT", func(out []byte) []byte { return deflate(out, &code) })
	return chunk(out, "IEND", func(out []byte) []byte { return out }), nil
}

// chunk adds one of PNG, its length before and its checksum behind it.
func chunk(out []byte, kind string, data func([]byte) []byte) []byte {
	at := len(out)
	out = append(out, 0, 0, 0, 0)
	out = data(append(out, kind...))
	binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-8))
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[at+4:]))
}

// deflate writes the picture's lines as a zlib stream (RFC 1950, 1951) of one block. A byte of a line is two modules, so
// that there are four: each line of modules is its literals, and its repetitions below are one match. The block's own
// code has nothing but those six symbols; it is always the same. compress/flate, which has to find that out for
// each picture, took 40 µs, a sixth of writing a mail, for 697 bytes instead of 604.
func deflate(out []byte, code *modules) []byte {
	w := bits{out: append(out, 0x78, 0x01)}
	w.dictionary()
	sum, sums := uint32(1), uint32(0) // Adler-32
	for y := -qrQuiet; y < qrModules+qrQuiet; y++ {
		w.put(black, blackLen) // the filter's number, 0: as it is
		row := uint64(0)       // white before and behind it
		if y >= 0 && y < qrModules {
			row = code[y] >> qrQuiet
		}
		line, weighed := uint32(0), uint32(0)
		for i := 0; i < qrLine-1; i += 4 {
			s := &fours[row>>(56-2*i)&0xff]
			if i+4 > qrLine-1 { // the last is alone
				s = &pairs[row>>(62-2*i)&3]
			}
			w.put(s.code, s.length)
			line += s.pixels
			weighed += s.weighed + s.pixels*uint32(qrLine-1-i)
		}
		w.put(repeat, repeatLen)
		for range qrScale {
			sums = (sums + qrLine*sum + weighed) % 65521
			sum = (sum + line) % 65521
		}
	}
	w.put(end, endLen)
	return binary.BigEndian.AppendUint32(w.flush(), sums<<16|sum)
}

// The block's code, canonical (RFC 1951, 3.2.2) and with its first bit lowest, as it is written: 00 black, 01 white, 100
// white and black, 101 black and white, 110 the end, 111 a match of 83 to 98 bytes; for distances 1 is 25 to 32.
const (
	black, blackLen = 0b00, 2
	end, endLen     = 0b011, 3
	// repeat is the match of a line's repetitions: 90 bytes (7 over 83, in 4 bits), 30 bytes ago (5 over 25, in 3).
	repeat, repeatLen = 0b111 | 7<<3 | 1<<7 | 5<<8, 11
)

// symbols are the codes of one or more bytes of a line of pixels, their sum, and their sum weighed: with how far each is
// from the first, less than nothing.
type symbols struct {
	code            uint64
	length          uint
	pixels, weighed uint32
}

// pairs are two modules, black is 1; of white four bits are set.
var pairs = [4]symbols{{0b10, 2, 0xff, 0}, {0b101, 3, 0xf0, 0}, {0b001, 3, 0x0f, 0}, {black, blackLen, 0x00, 0}}

// fours are four pairs at once.
var fours = func() (all [256]symbols) {
	for modules := range all {
		four := &all[modules]
		for i := range uint32(4) {
			s := pairs[modules>>(6-2*i)&3]
			four.code |= s.code << four.length
			four.length += s.length
			four.pixels += s.pixels
			four.weighed -= i * s.pixels // modulo 2^32, like what it is added to
		}
	}
	return all
}()

// bits writes them from the lowest on.
type bits struct {
	out  []byte
	held uint64
	n    uint
}

func (w *bits) put(v uint64, n uint) {
	w.held |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.held))
		w.held >>= 8
	}
}

func (w *bits) flush() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.held))
	}
	return w.out
}

// dictionary writes the head of the block: how long the code of each symbol is, with runs of zeros (RFC 1951, 3.2.7).
func (w *bits) dictionary() {
	w.put(0b1|2<<1, 3)            // the last block, of dynamic codes
	w.put(22|9<<5|14<<10, 14)     // 279 symbols, 10 distances, 18 lengths' lengths, in this order:
	for _, l := range [18]uint64{ // 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1
		1: 3, 2: 2, 13: 2, 15: 2, 17: 3,
	} {
		w.put(l, 3)
	}
	one, two, three := func() { w.put(0b011, 3) }, func() { w.put(0b00, 2) }, func() { w.put(0b10, 2) }
	none := func(n uint64) { // 17 and 18, with how many
		if n < 11 {
			w.put(0b111|(n-3)<<3, 6)
			return
		}
		w.put(0b01|(n-11)<<2, 9)
	}
	two() // black, 0x00
	none(14)
	three() // 0x0f
	none(138)
	none(86)
	three() // 0xf0
	none(14)
	two()   // white, 0xff
	three() // the end, 256
	none(21)
	three() // the match, 278
	none(8)
	one() // two distances, for a code of one is not complete
	one()
}
