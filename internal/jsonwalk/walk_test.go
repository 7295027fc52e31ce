package jsonwalk_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/jsonwalk"
)

// read takes a text apart with a Walk alone.
func read(w *jsonwalk.Walk) any {
	switch {
	case w.Is('{'):
		out := map[string]any{}
		w.Object(func(name []byte) { out[unquoted(name)] = read(w) })
		return out
	case w.Is('['):
		out := []any{}
		w.Array(func() { out = append(out, read(w)) })
		return out
	case w.Is('"'):
		return w.Text()
	}
	var v any
	_ = json.Unmarshal(w.Value(), &v) // what is no value is noticed beside what is expected
	return v
}

func unquoted(name []byte) (s string) {
	_ = json.Unmarshal([]byte(`"`+string(name)+`"`), &s)
	return s
}

// Whatever is JSON is read as encoding/json reads it, taken or left; nothing makes a walk fall over or go on for ever.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{``, `{}`, `[]`, ` [ ] `, `{"a":[1,-2.5e3,true,null,"x\\\"y]"],"b\u0061":{"c":{}}}`, `{"a"}`, `{"a":}`, `[,]`, `[1,]`,
		`{"a":1,}`, `"\"`, `"a`, `[[[`, `{"a":1 "b":2}`, "\t{\r\n\"a\" : [ 1 , 2 ] }", `]`, `:`, `[1}`, `["` + strings.Repeat(`long \\\" `, 9) + `"]`, strings.Repeat(`[`, 5000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w := jsonwalk.Of(text)
		got := read(w)
		over := jsonwalk.Of(text)
		whole := over.Value()
		left := jsonwalk.Of(text)
		switch {
		case left.Is('{'):
			left.Object(func([]byte) {})
		case left.Is('['):
			left.Array(func() {})
		}
		var want any
		if json.Unmarshal(text, &want) != nil || !utf8.Valid(text) {
			return // encoding/json mends what is no UTF-8, which RFC 8259 does not allow
		}
		if w.Bad() || over.Bad() || left.Bad() || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %v, is %v", text, got, want)
		}
		if string(whole) != strings.Trim(string(text), " \t\r\n") {
			t.Errorf("%q is stepped over as %q", text, whole)
		}
	})
}

// What is not what was asked for is told, and is no reason to lose the rest of what was read.
func TestAWalkTellsWhatItCannotFollow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1", "[]", `{"a":1`, `{"a" 1}`, `{1:2}`, `{"a":1,}`, `{"a":[1,2}`} {
		w := jsonwalk.Of([]byte(text))
		if w.Object(func([]byte) {}); !w.Bad() && text != `{"a":[1,2}` { // counting alone does not tell brackets apart
			t.Errorf("%q passes for an object", text)
		}
	}
	w := jsonwalk.Of([]byte(`{"n":12,"s":"x","none":null,"f":1.5}`))
	var n, f int64
	var s string
	var none bool
	w.Object(func(name []byte) {
		switch string(name) {
		case "n":
			n = w.Int()
		case "s":
			s = w.Text()
		case "none":
			none = w.Null()
		case "f":
			f = w.Int()
		}
	})
	if n != 12 || s != "x" || !none || f != 0 || w.Bad() {
		t.Errorf("read %d %q %t %d", n, s, none, f)
	}
}
