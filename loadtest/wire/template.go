package wire

import "bytes"

// Mark stands in a template where the number of the request goes, in nine digits.
const Mark = "#########"

// Template is a request with places for its number.
type Template struct {
	text []byte
	at   []int
}

// NewTemplate takes the whole request, head and body, with Marks.
func NewTemplate(text string) *Template {
	t := &Template{text: []byte(text)}
	for from := 0; ; {
		i := bytes.Index(t.text[from:], []byte(Mark))
		if i < 0 {
			return t
		}
		t.at = append(t.at, from+i)
		from += i + len(Mark)
	}
}

// fill writes request n over buf and gives it.
func (t *Template) fill(buf []byte, n int64) []byte {
	buf = append(buf[:0], t.text...)
	var digits [len(Mark)]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	for _, at := range t.at {
		copy(buf[at:], digits[:])
	}
	return buf
}
