package rsvp

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Whatever the body: it is refused with pointers, or the event that it makes
// survives the log, the database and an edit that says the same once more.
func FuzzEventInput(f *testing.F) {
	for _, s := range []string{
		plainEvent, `{}`, `{"title":null}`, `[]`, `{"title":1}`,
		`{"organization_id":"o","title":"T","starts_at":"2027-06-01T19:00:00+02:00","ends_at":"2027-06-01T22:00:00Z","venue":{"lat":1e300,"lon":-0.0,"country":"de"},
		  "tags":["a","A"],"capacity":null,"reminders":["90m","1h30m","0d"],"offer_ttl":"1.5h","questions":[{"label":"x","kind":"choice","options":["1"]}],
		  "price_range":{"min":1e-9,"max":2,"currency":"EUR"},"rsvp_opens_at":"0000-01-01T00:00:00+23:59","online_url":"http://[::1]:80/%zz"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		in := &EventInput{}
		if err := json.NewDecoder(strings.NewReader(body)).Decode(in); err != nil {
			return
		}
		b, err := NewEvent(in, Birth{EventID: "e1", Suffix: "abc123"}, DefaultLimits(), member, today)
		if err != nil {
			if a := fault.As(err); a == nil || len(a.Fields) == 0 {
				t.Fatalf("%v", err)
			}
			return
		}
		written, err := json.Marshal(b.Event)
		if err != nil || !utf8.Valid(written) || strings.Contains(string(written), `\u0000`) {
			t.Fatalf("%v %q", err, written)
		}
		var again contract.Event
		if err := json.Unmarshal(written, &again); err != nil || !reflect.DeepEqual(again, b.Event) {
			t.Fatalf("%v\n%+v\n%+v", err, again, b.Event)
		}
		w := newWorld(t, 1)
		w.event, w.counters, w.now = b.Event, b.Counters, today
		v := w.version
		w.must(&EditEvent{Input: *in, Limits: DefaultLimits()}, member)
		if w.version != v {
			t.Fatalf("the same input again is an edit: %v\n%+v\n%+v", w.types(v), b.Event, w.event)
		}
	})
}
