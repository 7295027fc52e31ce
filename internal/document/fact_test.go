package document_test

import (
	"bytes"
	"encoding/json"
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
		"as it is": `{"rsvp":{"id":"r","sealed":"AAA="},"words":"<b>&\u2028\n"}`,
		"indented": "{\n  \"a\": [1,\r\n 2]\n}\n",
		"null":     "null",
		"told by":  `{"payload":null}`,
	} {
		f := document.Fact{EventID: "e", Version: 7, Type: "rsvp.confirmed.v1", At: at, ValidAt: at, Reason: `{"payload":null}`, Payload: json.RawMessage(payload)}
		line, err := f.Line()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
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
	if _, err := (document.Fact{Payload: json.RawMessage("{\n")}).Line(); err == nil {
		t.Error("half a payload was taken")
	}
}
