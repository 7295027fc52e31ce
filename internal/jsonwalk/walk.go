// Package jsonwalk goes through a store's answer once and hands out parts of it as they are: nothing is copied, and
// what nobody asks for is stepped over. It trusts that the bytes are JSON, as a store of ours sends it; others are
// never read beyond their end, and Bad tells when they could not be followed.
//
// encoding/json reads every byte three times on the way to a json.RawMessage, and gjson once for every level above it,
// after a copy of the whole.
package jsonwalk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
)

// Walk is a place in a text of JSON.
type Walk struct {
	text []byte
	at   int
	bad  bool
}

// Of begins before the first value.
func Of(text []byte) *Walk { return &Walk{text: text} }

// Bad tells whether something was met that is no JSON, or not what was asked for. Nothing moves after that.
func (w *Walk) Bad() bool { return w.bad }

// Object calls f for each member of the object that comes next, with its name without quotes and as it is escaped. f
// takes the value with one of the Walk's methods, or leaves it.
func (w *Walk) Object(f func(name []byte)) {
	if !w.open('{') {
		return
	}
	for more := !w.close('}'); more; more = w.next('}') {
		name := w.Value()
		if w.bad || len(name) < 2 || name[0] != '"' || w.peek() != ':' {
			w.bad = true
			return
		}
		w.at++
		w.each(func() { f(name[1 : len(name)-1]) })
	}
}

// Array calls f for each element of the array that comes next, which f takes or leaves.
func (w *Walk) Array(f func()) {
	if !w.open('[') {
		return
	}
	for more := !w.close(']'); more; more = w.next(']') {
		w.each(f)
	}
}

// each lets f take a value and steps over it when f did not.
func (w *Walk) each(f func()) {
	before := w.at
	if f(); w.at == before && !w.bad {
		w.Value()
	}
}

// Value gives the bytes of the value that comes next, whatever it is; they belong to the text.
func (w *Walk) Value() []byte {
	first := w.peek()
	if w.bad {
		return nil
	}
	from := w.at
	switch first {
	case '"':
		w.quoted()
	case '{', '[':
		w.nested()
	default:
		w.plain()
	}
	if w.bad {
		return nil
	}
	return w.text[from:w.at]
}

// Text gives the string that comes next; "" for another value.
func (w *Walk) Text() string {
	v := w.Value()
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		w.bad = true
	}
	return s
}

// Int gives the whole number that comes next; 0 for another value.
func (w *Walk) Int() int64 {
	n, err := strconv.ParseInt(string(w.Value()), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Null tells whether null comes next, and takes nothing.
func (w *Walk) Null() bool { return w.peek() == 'n' }

// Is tells whether the value that comes next begins so, and takes nothing: '{' for an object.
func (w *Walk) Is(first byte) bool { return w.peek() == first }

// peek gives the first byte of what comes next, after white space.
func (w *Walk) peek() byte {
	for ; !w.bad && w.at < len(w.text); w.at++ {
		switch c := w.text[w.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	w.bad = true
	return 0
}

func (w *Walk) open(c byte) bool {
	if w.peek() != c {
		w.bad = true
		return false
	}
	w.at++
	return true
}

// close takes c if it comes next; it is true as well when there is nothing more to follow.
func (w *Walk) close(c byte) bool {
	if w.peek() == c && !w.bad {
		w.at++
		return true
	}
	return w.bad
}

// next tells whether another value follows in an object or array that end closes.
func (w *Walk) next(end byte) bool {
	if w.close(end) {
		return false
	}
	return w.open(',')
}

func (w *Walk) quoted() {
	for i := w.at + 1; ; i++ {
		if i = quote(w.text, i); i < 0 {
			w.bad = true
			return
		}
		escapes := 0
		for i-1-escapes > w.at && w.text[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			w.at = i + 1
			return
		}
	}
}

// quote finds the next quote from i on; -1 without one. Most strings are short: eight bytes are looked at together (the
// lowest that is zero once a quote is taken off each keeps its high bit), which is half of what calling IndexByte costs.
func quote(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for range 5 {
		if i+8 > len(text) {
			break
		}
		x := binary.LittleEndian.Uint64(text[i:]) ^ ones*'"'
		if found := (x - ones) &^ x & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
		i += 8
	}
	n := bytes.IndexByte(text[min(i, len(text)):], '"')
	if n < 0 {
		return -1
	}
	return i + n
}

// nested steps over an object or array by counting: what is in it need not be understood.
func (w *Walk) nested() {
	depth := 0
	text := w.text
	for i := w.at; i < len(text); i++ {
		switch text[i] {
		case '"':
			w.at = i
			if w.quoted(); w.bad {
				return
			}
			i = w.at - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				w.at = i + 1
				return
			}
		}
	}
	w.bad = true
}

// plain steps over a number, true, false or null.
func (w *Walk) plain() {
	from := w.at
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ',', '}', ']', ':', ' ', '\t', '\n', '\r', '"', '{', '[':
			w.bad = w.at == from
			return
		}
		w.at++
	}
}
