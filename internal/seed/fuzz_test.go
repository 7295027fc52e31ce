package seed

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a killed run, an editor or another program left in the state file: what is written into it afterwards is found
// by the next run.
func FuzzJournal(f *testing.F) {
	const head, event, seat = `{"head":{"load":"x","weeks":12}}`, `{"event":"e","id":"1","slug":"s"}`, `{"event":"e","seat":"0","rsvp":"r","token":"t","done":2}`
	for _, seed := range []string{"", "\n", head, head + "\n" + event + "\n" + seat + "\n", head + "\n" + event + "\n" + seat[:20], event,
		strings.Replace(head, `"x"`, `"y"`, 1) + "\n" + event, head + "\nnull\n[]\n" + event, head + "\n" + head, `{"head":null}`, "\xff\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		open := func() *Journal {
			j, err := OpenJournal(path, journalHead{Load: "x", Weeks: 3})
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			return j
		}
		j := open()
		weeks := j.head.Weeks
		e, h := loaded{ID: "2", Slug: "new", Cancelled: true}, handle{RSVP: "r2", Token: "t2", Done: 7}
		j.setEvent("another", e)
		j.setSeat("another", "1", h)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open()
		got, known := j.event("another")
		if s := j.seat("another", "1"); !known || got != e || s != h || j.head.Weeks != weeks {
			t.Errorf("%q: the next run finds %+v, %t, %+v, %d weeks; want %+v, %+v, %d", text, got, known, s, j.head.Weeks, e, h, weeks)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever an oracle's file holds: it is read or refused, has a name for each case, and is the same once it was written.
func FuzzOracle(f *testing.F) {
	for _, seed := range []string{"", "null", "[]", `{"cases":[null,{}]}`, `{"dataset":"d","events":3,"cases":[{"kind":"geo_radius","lat":1e308,"lon":-0,
		"radius_km":0.5,"nearest10":["a"]},{"kind":"tag","tag":"x","active_in_person":0},{"kind":"facet_country","counts":{"":1}}]}`, `{"cases":[{"lat":"1"}]}`,
		`{"events":1e99}`, `{"cases":[{"kind":"start_range","from":"2026-01-01T00:00:00Z","to":"9999-12-31T23:59:59Z"},{"kind":"start_range","from":"x"}]}`} {
		f.Add(seed, 12)
	}
	f.Fuzz(func(t *testing.T, text string, weeks int) {
		o, err := ReadOracle(strings.NewReader(text))
		if err != nil {
			return
		}
		for i := range o.Cases {
			if c := &o.Cases[i]; c.name() == "" && c.Kind != "" {
				t.Errorf("%q: case %d has no name", text, i)
			}
			if _, _, err := o.Cases[i].moved(weeks % 1000); err == nil && (o.Cases[i].From == "" || o.Cases[i].To == "") {
				t.Errorf("%q: case %d has no times, and they were moved", text, i)
			}
		}
		written, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadOracle(bytes.NewReader(written))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(again); err != nil || !bytes.Equal(b, written) {
			t.Errorf("%q is %s, written and read it is %s, %v", text, written, b, err)
		}
	})
}
