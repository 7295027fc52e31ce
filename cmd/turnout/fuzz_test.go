package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/id"
)

// Whatever a list of erasures holds: it names RSVPs by their ids or is refused whole, and is the same once it was written.
func FuzzErasures(f *testing.F) {
	const one = `{"event_id":"01890a5d-ac96-774b-bcce-b302099a8057","rsvp_id":"01890a5d-ac96-774b-bcce-b302099a8058","withdrawn":true}`
	for _, seed := range []string{"", "\n\n", one, one + "\r\n" + one, one[:60], one + one, "null", "{}", "[" + one + "]",
		`{"event_id":"1","rsvp_id":"2"}`, strings.ToUpper(one), strings.Repeat(" ", 70_000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := decodeErasures(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range list {
			if !id.Valid(e.EventID) || !id.Valid(e.RSVPID) {
				t.Errorf("%q names %+v", text, e)
			}
		}
		var out bytes.Buffer
		if err := writeErasures(&out, list); err != nil {
			t.Fatal(err)
		}
		if again, err := decodeErasures(&out); err != nil || !reflect.DeepEqual(again, list) {
			t.Errorf("%q is %+v, written and read it is %+v, %v", text, list, again, err)
		}
	})
}

// Whatever a ledger holds: an answer per line that is not blank, or none at all.
func FuzzLedger(f *testing.F) {
	const one = `{"event_id":"e","rsvp_id":"r","version":3,"status":"confirmed"}`
	for _, seed := range []string{"", " \n\t\n", one, one + "\n" + one + "\n", one[:20], one + one, "null", "[]", `{"version":"3"}`, `{"version":1e3}`,
		`{"version":9223372036854775808}`, strings.Repeat("x", 70_000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		told, err := decodeLedger(strings.NewReader(text))
		if err != nil {
			if told != nil {
				t.Errorf("%q is refused and gives %+v", text, told)
			}
			return
		}
		want := 0
		for line := range strings.SplitSeq(text, "\n") {
			if strings.TrimSpace(line) != "" {
				want++
			}
		}
		if len(told) != want {
			t.Errorf("%q has %d lines, %d answers were read", text, want, len(told))
		}
		if len(text) > 8_000 {
			return // written, a letter may take six, and a line has its bound
		}
		var out bytes.Buffer
		for _, a := range told {
			if err := json.NewEncoder(&out).Encode(a); err != nil {
				t.Fatal(err)
			}
		}
		if again, err := decodeLedger(&out); err != nil || !reflect.DeepEqual(again, told) {
			t.Errorf("%q is %+v, written and read it is %+v, %v", text, told, again, err)
		}
	})
}
