package web

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// script is the door's plain functions, as a browser would run them.
type script struct {
	t  *testing.T
	vm *goja.Runtime
}

func newScript(t *testing.T) *script {
	t.Helper()
	s := &script{t, goja.New()}
	for _, name := range []string{"rules", "ticket", "words"} {
		source, err := fs.ReadFile(staticFiles, "static/door/"+name+".js")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.vm.RunScript(name+".js", string(source)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// is holds what an expression gives against JSON.
func (s *script) is(expression, want string) {
	s.t.Helper()
	v, err := s.vm.RunString("JSON.stringify((" + expression + "))")
	if err != nil {
		s.t.Errorf("%s: %v", expression, err)
		return
	}
	var got, wanted any
	if text := v.String(); json.Unmarshal([]byte(text), &got) != nil || json.Unmarshal([]byte(want), &wanted) != nil || !reflect.DeepEqual(got, wanted) {
		s.t.Errorf("%s is\n%s, want\n%s", expression, text, want)
	}
}

func (s *script) run(source string) {
	s.t.Helper()
	if _, err := s.vm.RunString(source); err != nil {
		s.t.Fatalf("%s: %v", source, err)
	}
}

func TestGuestsAreFoundFromTheFirstLetters(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.run(`const all = Door.byName([["z", "Zoë Müller", "zoe@example.net"], ["a", "Åsa Łukasiewicz", ""], ["i", "Işıl İnce", ""], ["o", "Søren Weiß", "s.w@host.example"],
		["m", "محمد علي", ""], ["t", "田中太郎", ""], ["n", "", "nameless@example.org"], ["b", "O'Brien-Smith", ""], ["v", "Nguyễn Thị", ""]]
		.map(([id, name, email]) => ({ id, name, email })).map((g) => ({ ...g, key: Door.keyOf(g) })));
		const found = (q) => Door.search(all, q).map((g) => g.id).sort().join("");`)
	for query, want := range map[string]string{
		"z": "z", "zoe": "z", "ZOË": "z", "mul": "z", "müll zo": "z", "oë": "", "asa": "a", "Lukas": "a", "łuk": "a", "isil": "i", "INCE": "i", "ince": "i",
		"soren": "o", "weiss": "o", "WEISS": "o", "s.w@ho": "o", "zoe@example.net": "z", "example": "noz", "محم": "m", "田中": "t", "太": "t",
		"nameless": "n", "brien": "b", "o'brien": "b", "smith": "b", "nguyen": "v", "thi": "v", "xyz": "", "": "abimnotvz", " . ": "abimnotvz",
		"Zoe\u0308": "z", // taken apart, as some keyboards write it
	} {
		s.is(fmt.Sprintf("found(%q)", query), fmt.Sprintf("%q", want))
	}
	s.is(`Door.byName([{id:"2",key:" b"},{id:"1",key:" b"},{id:"0",key:" a"}]).map((g) => g.id)`, `["0","1","2"]`)
}

// What a device says without a network, by what it knows.
func TestAScanWithoutANetwork(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.run(`const guest = (status, party) => ({ id: "g", status, party, in: 0 });
		const ticket = (genuine, event = "e") => ({ event, party: 3, genuine });
		const says = (ask) => { const r = Door.scanned({ event: "e", rsvp: "g", people: 0, isIn: 0, ...ask }); return [r.outcome, r.people, r.checked_in, r.party_size]; };`)
	for ask, want := range map[string]string{
		`guest: guest("confirmed", 2)`:                                          `["admitted",2,2,2]`,
		`guest: guest("confirmed", 3), people: 2, isIn: 0`:                      `["admitted",2,2,3]`,
		`guest: guest("confirmed", 3), people: 0, isIn: 2`:                      `["admitted",1,3,3]`,
		`guest: guest("confirmed", 3), people: 9, isIn: 1`:                      `["admitted",2,3,3]`,
		`guest: guest("confirmed", 3), isIn: 3`:                                 `["already",0,3,3]`,
		`guest: guest("confirmed", 1), isIn: 2`:                                 `["already",0,2,1]`,
		`guest: guest("cancelled", 2)`:                                          `["cancelled",0,0,2]`,
		`guest: guest("declined", 2)`:                                           `["not_confirmed",0,0,2]`,
		`guest: guest("waitlisted", 2), ticket: ticket(true)`:                   `["not_confirmed",0,0,2]`,
		`guest: guest("confirmed", 2), ticket: ticket(true)`:                    `["admitted",2,2,2]`,
		`guest: guest("confirmed", 2), ticket: ticket(null)`:                    `["admitted",2,2,2]`,
		`guest: guest("confirmed", 2), ticket: ticket(false)`:                   `["unknown",0,0,0]`,
		`guest: guest("confirmed", 2), ticket: ticket(true, "another")`:         `["wrong_event",0,0,2]`,
		`ticket: ticket(null, "another")`:                                       `["wrong_event",0,0,3]`,
		`ticket: ticket(false, "another")`:                                      `["unknown",0,0,0]`,
		`ticket: ticket(true)`:                                                  `["admitted",3,3,3]`, // given after the list was loaded
		`ticket: ticket(true), isIn: 3`:                                         `["already",0,3,3]`,
		`ticket: ticket(null)`:                                                  `["unknown",0,0,3]`,
		`guest: undefined`:                                                      `["unknown",0,0,0]`,
		`guest: guest("confirmed", 2), ticket: { ...ticket(true), party: 400 }`: `["admitted",2,2,2]`, // the list is newer than the ticket
	} {
		s.is(`says({`+ask+`})`, want)
	}
	s.is(`[Door.scanned({event:"e",rsvp:"g",people:0,isIn:0,ticket:ticket(true)}).unlisted, Door.scanned({event:"e",rsvp:"g",people:0,isIn:0,guest:guest("confirmed",1),ticket:ticket(null)}).unverified]`, `[true,true]`)
}

func TestTheQueueCountsBesideTheList(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.run(`const list = [{ id: "a", party: 3, in: 1, status: "confirmed" }, { id: "b", party: 2, in: 2, status: "confirmed" }, { id: "c", party: 4, in: 0, status: "waitlisted" }];
		const ins = (...entries) => { const f = Door.inside(list, entries); return ["a", "b", "c", "new", "none"].map(f); };`)
	for entries, want := range map[string]string{
		``:                    `[1,2,0,0,0]`,
		`{rsvp:"a",people:1}`: `[2,2,0,0,0]`,
		`{rsvp:"a",people:1},{rsvp:"a",people:2}`:                     `[3,2,0,0,0]`, // no party grows by what was queued
		`{rsvp:"b",people:2}`:                                         `[1,2,0,0,0]`, // an answer that was lost
		`{rsvp:"a",undo:true,people:0}`:                               `[0,2,0,0,0]`,
		`{rsvp:"a",undo:true,people:0},{rsvp:"a",people:2}`:           `[2,2,0,0,0]`,
		`{rsvp:"new",people:2,party:3}`:                               `[1,2,0,2,0]`,
		`{rsvp:"new",people:2,party:3},{rsvp:"new",undo:true}`:        `[1,2,0,0,0]`,
		`{rsvp:"new",people:2,party:3},{rsvp:"new",people:2,party:3}`: `[1,2,0,3,0]`,
	} {
		s.is(`ins(`+entries+`)`, want)
	}
	s.is(`Door.counts(list, Door.inside(list, [{rsvp:"a",people:1}]))`, `{"in":4,"change":1,"expected":5}`)
	s.is(`[Door.after(100, 0), Door.after(100, 100), Door.after(100, 300)]`, `[100,101,301]`)
	s.is(`[1, 2].map((d) => Door.over({ ends_at: "2026-01-01T00:00:00Z" }, Date.parse("2026-01-01T00:00:00Z") + d * 86400000))`, `[false,true]`)
}

// Entries go in order, in bounded parts, and a part that was sent goes again as it was.
func TestTheQueueIsSentInOrder(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.run(`const long = "T".repeat(134), entry = (i, more) => ({ seq: i, id: "entry-" + i, rsvp: "r" + i, people: 1, device: "Süd ✓", at: 1767225600000 + i, ...more });
		const entries = (n, more) => Array.from({ length: n }, (_, i) => entry(i, more));
		const parts = (all) => { const out = []; for (let n = 0; all.length; n++) { const b = Door.batch(all, "k" + n); out.push(b.entries); all = all.filter((e) => !b.entries.includes(e)); } return out; };`)
	s.is(`Door.batch([], "k")`, `null`)
	s.is(`parts(entries(1203)).map((p) => [p.length, p[0].seq])`, `[[500,0],[500,500],[203,1000]]`)
	s.is(`parts(entries(1203, { device: "語".repeat(64), ticket: long })).every((p) => JSON.stringify({ entries: p.map(Door.wire) }).length * 4 < 4 * 256 * 1024)`, `true`)
	s.is(`parts(entries(700, { device: "語".repeat(64), ticket: long })).flat().map((e) => e.seq).join() === entries(700).map((e) => e.seq).join()`, `true`)
	// What was taken under a key before is not joined by what came later.
	s.is(`(({ key, entries }) => [key, entries.map((e) => e.seq)])(Door.batch([entry(1, { batch: "old" }), entry(2, { batch: "old" }), entry(3)], "new"))`, `["old",[1,2]]`)
	s.is(`(({ key, entries }) => [key, entries.map((e) => e.seq)])(Door.batch([entry(1), entry(2, { batch: "old" })], "new"))`, `["new",[1]]`)
	s.is(`Door.wire(entry(1))`, `{"id":"entry-1","rsvp_id":"r1","people":1,"device":"Süd ✓","at":"2026-01-01T00:00:00.001Z"}`)
	s.is(`Door.wire(entry(1, { ticket: "T" }))`, `{"id":"entry-1","ticket":"T","people":1,"device":"Süd ✓","at":"2026-01-01T00:00:00.001Z"}`)
	s.is(`Door.wire(entry(1, { ticket: "T", undo: true }))`, `{"id":"entry-1","rsvp_id":"r1","undo":true,"device":"Süd ✓","at":"2026-01-01T00:00:00.001Z"}`)
	s.run(`const refused = (p) => { const r = Door.refused(p, entries(3)); return [r.drop.map((d) => d.entry.seq), r.again]; }`)
	s.is(`refused({ status: 400, errors: [{ pointer: "/entries/1/at", detail: "no" }, { pointer: "/entries/1/id", detail: "no" }] })`, `[[1],true]`)
	s.is(`refused({ status: 400, errors: [{ pointer: "/entries", detail: "no" }, { pointer: "/entries/7/at", detail: "no" }] })`, `[[],false]`)
	s.is(`refused({ status: 400, errors: null })`, `[[],false]`)
	s.is(`refused({ status: 409, errors: [{ pointer: "/entries/1/at", detail: "no" }] })`, `[[],false]`)
	s.is(`refused({ status: 422 })`, `[[],true]`)
}

func TestWhySomebodyIsNotAdded(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.run(`const why = (...errors) => DoorWords.notAdded({ title: "Not valid", detail: "The request is not valid", errors });`)
	s.is(`why({ pointer: "/answers/q-1", detail: "is missing" }).includes("question")`, `true`)
	s.is(`why({ pointer: "/party_size", detail: "is from 1 to 4" }, { pointer: "/x", detail: "is odd" })`, `"People is from 1 to 4; is odd"`)
	s.is(`[why(), DoorWords.notAdded({ title: "The event is full" })]`, `["The request is not valid","The event is full"]`)
}

func TestWhatTheServerAnswersForAnEntry(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.run(`const kind = (entry, item) => (Door.conflict({ people: 2, ...entry }, { people: 0, checked_in: 0, party_size: 2, ...item }) || {}).kind || "";`)
	for ask, want := range map[string]string{
		`{}, { outcome: "admitted", people: 2 }`: "", `{}, { outcome: "admitted", people: 1 }`: "double", `{}, { outcome: "already" }`: "double",
		`{}, { outcome: "admitted", people: 1, conflict: "double" }`: "double", `{}, { outcome: "cancelled", conflict: "cancelled" }`: "cancelled",
		`{}, { outcome: "not_confirmed", conflict: "not_confirmed" }`: "not_confirmed", `{}, { outcome: "unknown" }`: "unknown",
		`{}, { outcome: "wrong_event" }`: "wrong_event", `{}, { outcome: "undone" }`: "undone",
		`{ undo: true }, { outcome: "undone" }`: "", `{ undo: true }, { outcome: "unknown" }`: "unknown", `{ undo: true }, { outcome: "already", conflict: "double" }`: "not_undone",
	} {
		s.is(`kind(`+ask+`)`, fmt.Sprintf("%q", want))
		if want != "" {
			s.is(fmt.Sprintf(`DoorWords.conflict({ kind: %q, people: 2, let: 0, checked_in: 2, party: 2 }).length > 20`, want), `true`)
		}
	}
	// What this device took back itself, later and in the same batch, nobody has to be told.
	s.run(`const mine = (undo) => Door.conflict({ rsvp: "a", people: 2, at: 5 }, { outcome: "undone", people: 0, checked_in: 0, party_size: 2 }, [undo]);`)
	s.is(`mine({ rsvp: "a", undo: true, at: 6 })`, `null`)
	s.is(`[{ rsvp: "b", undo: true, at: 6 }, { rsvp: "a", undo: true, at: 4 }, { rsvp: "a", people: 2, at: 6 }].map((e) => mine(e).kind)`, `["undone","undone","undone"]`)
	// A list that was read before the door was told something does not take it back.
	s.run(`const known = [{ id: "a", in: 2, version: 9 }, { id: "b", in: 0, version: 3 }, { id: "gone", in: 0, version: 1 }];
		const loaded = [{ id: "a", in: 0, version: 5, conflicts: [1] }, { id: "b", in: 1, version: 4 }, { id: "new", in: 0, version: 8 }, { id: "new", in: 0, version: 8 }];`)
	s.is(`Door.renew(known, loaded)`, `[{"id":"a","in":2,"version":9,"conflicts":[1]},{"id":"b","in":1,"version":4},{"id":"new","in":0,"version":8}]`)
	s.is(`Door.told({id:"a",in:0,party:2,status:"confirmed",version:3,key:" a"}, {outcome:"admitted",checked_in:2,party_size:3}, 7)`, `{"id":"a","in":2,"party":3,"status":"confirmed","version":7,"key":" a"}`)
	s.is(`Door.told({id:"a",in:1,party:2,status:"confirmed",version:9}, {outcome:"admitted",checked_in:2,party_size:3}, 7).in`, `1`)
	s.is(`Door.told({id:"a",in:1,party:2,status:"confirmed",version:1}, {outcome:"cancelled",checked_in:0,party_size:2}, 7).status`, `"cancelled"`)
	s.is(`Door.told({id:"a",in:1,party:2,status:"confirmed",version:1}, {outcome:"unknown",checked_in:0,party_size:0}, 7).in`, `1`)
	for _, outcome := range []string{"admitted", "already", "cancelled", "not_confirmed", "unknown", "wrong_event", "undone"} {
		s.is(fmt.Sprintf(`DoorWords.outcome({ outcome: %q, people: 1, checked_in: 1, party_size: 2 }).length`, outcome), `3`)
	}
}

// A device reads what internal/token signs, all of it, and nothing else.
func TestADeviceReadsTickets(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := token.NewTickets(ring)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tickets.Sign(token.Ticket{EventID: eventID, RSVPID: rsvpID, Epoch: 513, PartySize: 258})
	if err != nil {
		t.Fatal(err)
	}
	s.is(fmt.Sprintf(`(({ event, rsvp, epoch, party, text }) => [event, rsvp, epoch, party, text])(DoorTicket.read(" %s\n"))`, text),
		fmt.Sprintf(`[%q,%q,513,258,%q]`, eventID, rsvpID, text))
	var got struct{ Body, Signature []int }
	v, err := s.vm.RunString(fmt.Sprintf(`(({ body, signature }) => JSON.stringify({ body: [...body], signature: [...signature] }))(DoorTicket.read(%q))`, text))
	if err != nil || json.Unmarshal([]byte(v.String()), &got) != nil {
		t.Fatal(v, err)
	}
	raw := func(all []int) (b []byte) {
		for _, x := range all {
			b = append(b, byte(x))
		}
		return b
	}
	if !ed25519.Verify(tickets.PublicKeys()[0], raw(got.Body), raw(got.Signature)) {
		t.Error("what the device would verify is not what was signed")
	}
	for _, wrong := range []string{"", "x", "Zoë Müller", text[1:], text + "A", text[:len(text)-1] + "=", strings.Replace(text, text[:1], "+", 1), strings.Repeat("A", 200)} {
		s.is(fmt.Sprintf(`DoorTicket.read(%q)`, wrong), `null`)
	}
	last := text[:len(text)-1]
	for _, sign := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" { // as strict as internal/token
		_, err := base64.RawURLEncoding.Strict().DecodeString(last + string(sign))
		s.is(fmt.Sprintf(`DoorTicket.read(%q) !== null`, last+string(sign)), fmt.Sprint(err == nil))
	}
	s.is(fmt.Sprintf(`[DoorTicket.looks(%q), DoorTicket.looks("Ann Example"), DoorTicket.looks("ann@example.net")]`, text), `[true,false,false]`)
}

// A state of an answer is called the same at the door, in the guest list and among the figures.
func TestAStateHasOneName(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	for _, status := range guestStatuses {
		word := stateWord(status)
		s.is(fmt.Sprintf("DoorWords.state(%q)", status), fmt.Sprintf("%q", word))
		f := decoded[eventFigures](t, fmt.Sprintf(`{"by_status":{%q:{"parties":1,"people":2}}}`, status))
		if got := shownFigures(*f, "UTC").Statuses; len(got) != 1 || got[0].Word != word {
			t.Errorf("%s is %q in the list, and %+v among the figures", status, word, got)
		}
	}
}
