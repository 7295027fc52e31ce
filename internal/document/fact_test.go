package document_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/document"
)

// A fact's line is the document that encoding/json makes, but for how the
// payload spells it; always on one line.
func TestFactOnALine(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 3, 4, 5, 6, 7, 8000, time.UTC)
	for name, payload := range map[string]string{
		"as it is":     `{"rsvp":{"id":"r","sealed":"AAA="},"words":"<b>&\u2028\n"}`,
		"indented":     "{\n  \"a\": [1,\r\n 2]\n}\n",
		"null":         "null",
		"told by":      `{"payload":null}`,
		"nothing else": "{}",
	} {
		var f document.Fact
		if name != "nothing else" {
			fill(t, reflect.ValueOf(&f).Elem())
		}
		f.At, f.ValidAt, f.Payload = at, at, json.RawMessage(payload)
		before := []byte("before\n")
		line, err := f.AppendLine(before)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.HasPrefix(line, before) {
			t.Fatalf("%s: what was there is gone: %s", name, line)
		}
		line = line[len(before):]
		if bytes.ContainsAny(line, "\r\n") {
			t.Errorf("%s: more than a line: %s", name, line)
		}
		var got, want document.Fact
		whole, err := json.Marshal(f)
		if err == nil {
			err = json.Unmarshal(whole, &want)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, line)
		}
		var a, b any
		if json.Unmarshal(got.Payload, &a) != nil || json.Unmarshal(want.Payload, &b) != nil {
			t.Fatalf("%s: payloads %s, %s", name, got.Payload, want.Payload)
		}
		x, errX := json.Marshal(a)
		y, errY := json.Marshal(b)
		got.Payload, want.Payload = nil, nil
		g, errG := json.Marshal(got)
		w, errW := json.Marshal(want)
		if errX != nil || errY != nil || errG != nil || errW != nil || !bytes.Equal(x, y) || !bytes.Equal(g, w) {
			t.Errorf("%s: %s instead of %s", name, line, whole)
		}
	}
	f := document.Fact{Payload: json.RawMessage("{\n")}
	if _, err := f.AppendLine(nil); err == nil {
		t.Error("half a payload was taken")
	}
	f = document.Fact{Reason: "a\xffb", Payload: json.RawMessage("{}")}
	if line, err := f.AppendLine(nil); err != nil || !json.Valid(line) {
		t.Errorf("what is no text: %s, %v", line, err)
	}
}

// fill gives every field a value of its own, so that none that is added is forgotten.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprintf("%d \"<b>&\u2028\n\\é", i))
		case reflect.Int, reflect.Int32, reflect.Int64:
			f.SetInt(int64(100 + i))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			f.Elem().SetInt(int64(100 + i))
		case reflect.Struct, reflect.Slice: // times and the payload
		default:
			t.Fatalf("a field of kind %s", f.Kind())
		}
	}
}
