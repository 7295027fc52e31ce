package rsvp

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

var today = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

const plainEvent = `{"organization_id":"o1","title":"Evening","starts_at":"2027-06-01T19:00:00+02:00","ends_at":"2027-06-01T22:00:00+02:00","time_zone":"Europe/Berlin"}`

// input reads a body as the API does; more members are put over plain.
func input(t *testing.T, over string) *EventInput {
	t.Helper()
	members := map[string]json.RawMessage{}
	for _, body := range []string{plainEvent, over} {
		if body == "" {
			continue
		}
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, string(body))
}

func read(t *testing.T, body string) *EventInput {
	t.Helper()
	in := &EventInput{}
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return in
}

func create(t *testing.T, over string) (*Book, error) {
	t.Helper()
	return NewEvent(input(t, over), Birth{EventID: "e1", Suffix: "abc123"}, DefaultLimits(), member, today)
}

func TestANewEvent(t *testing.T) {
	t.Parallel()
	b, err := create(t, "")
	if err != nil {
		t.Fatal(err)
	}
	e := b.Event
	if e.Status != contract.EventDraft || e.Revision != 1 || e.Sequence != 0 || e.Slug != "evening-abc123" ||
		e.Capacity != nil || e.MaxParty != 10 || e.WaitlistPolicy != contract.WaitlistAuto || e.RetentionDays != 365 ||
		e.Visibility != contract.VisibilityPublic || e.Online || e.Tags == nil || e.Questions == nil {
		t.Errorf("%+v", e)
	}
	if !e.StartsAt.Equal(time.Date(2027, 6, 1, 17, 0, 0, 0, time.UTC)) || e.StartsAt.Location() != time.UTC || !e.RSVPClosesAt.Equal(e.StartsAt) {
		t.Errorf("%s, answers until %s", e.StartsAt, e.RSVPClosesAt)
	}
	if !slices.Equal(e.Reminders, []contract.Duration{contract.Duration(24 * time.Hour), contract.Duration(time.Hour)}) {
		t.Errorf("%v", e.Reminders)
	}
	m := b.Messages()
	if len(m) != 1 || m[0].Type != contract.EventDraftedV1 || m[0].Version != 1 || b.Version != 1 || !b.Created() || !b.Revised() {
		t.Errorf("%+v", m)
	}
	if _, err := json.Marshal(m[0].Payload); err != nil {
		t.Error(err)
	}
}

func TestWhatANewEventMayNotSay(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("ä", n) }
	for _, c := range []struct{ body, pointer string }{
		{`{"title":""}`, "/title"},
		{`{"title":"  \t "}`, "/title"},
		{`{"title":null}`, "/title"},
		{`{"title":"` + long(201) + `"}`, "/title"},
		{`{"title":"two\nlines"}`, "/title"},
		{`{"title":"nul\u0000"}`, "/title"},
		{`{"description":"nul\u0000"}`, "/description"},
		{`{"description":"` + long(20001) + `"}`, "/description"},
		{`{"starts_at":"2027-06-01"}`, "/starts_at"},
		{`{"starts_at":"2027-06-01T19:00:00"}`, "/starts_at"},
		{`{"starts_at":null}`, "/starts_at"},
		{`{"starts_at":"2027-01-15T11:59:59Z"}`, "/starts_at"},
		{`{"starts_at":"2052-01-15T12:00:01Z","ends_at":"2052-01-16T12:00:00Z"}`, "/starts_at"},
		{`{"ends_at":"2027-06-01T19:00:00+02:00"}`, "/ends_at"},
		{`{"ends_at":"2027-06-01T18:59:00+02:00"}`, "/ends_at"},
		{`{"ends_at":null}`, "/ends_at"},
		{`{"ends_at":"2031-06-01T19:00:00+02:00"}`, "/ends_at"},
		{`{"time_zone":"Mars/Olympus"}`, "/time_zone"},
		{`{"time_zone":"Local"}`, "/time_zone"},
		{`{"time_zone":""}`, "/time_zone"},
		{`{"time_zone":"../../etc/passwd"}`, "/time_zone"},
		{`{"venue":{"lat":52.5}}`, "/venue"},
		{`{"venue":{"lat":90.1,"lon":0}}`, "/venue/lat"},
		{`{"venue":{"lat":0,"lon":-180.5}}`, "/venue/lon"},
		{`{"venue":{"country":"Germany"}}`, "/venue/country"},
		{`{"venue":{"country":"XX"}}`, "/venue/country"},
		{`{"venue":{"country":"EU"}}`, "/venue/country"},
		{`{"venue":{"country":"UK"}}`, "/venue/country"},
		{`{"venue":{"name":"` + long(201) + `"}}`, "/venue/name"},
		{`{"online_url":"javascript:alert(1)"}`, "/online_url"},
		{`{"online_url":"example.org/room"}`, "/online_url"},
		{`{"online_url":"https://"}`, "/online_url"},
		{`{"online_url":"https://user:secret@example.org/"}`, "/online_url"},
		{`{"online_url":"https://e.org/` + long(2000) + `"}`, "/online_url"},
		{`{"category":"` + long(51) + `"}`, "/category"},
		{`{"tags":["a","` + long(51) + `"]}`, "/tags/1"},
		{`{"tags":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17","18","19","20","21"]}`, "/tags"},
		{`{"capacity":0}`, "/capacity"},
		{`{"capacity":-1}`, "/capacity"},
		{`{"capacity":1001}`, "/capacity"},
		{`{"max_party":0}`, "/max_party"},
		{`{"max_party":1001}`, "/max_party"},
		{`{"waitlist_policy":"fifo"}`, "/waitlist_policy"},
		{`{"offer_ttl":"30s"}`, "/offer_ttl"},
		{`{"offer_ttl":"8d"}`, "/offer_ttl"},
		{`{"offer_ttl":"soon"}`, "/offer_ttl"},
		{`{"visibility":"secret"}`, "/visibility"},
		{`{"rsvp_opens_at":"2027-06-01T19:00:00+02:00"}`, "/rsvp_opens_at"},
		{`{"rsvp_opens_at":"tomorrow"}`, "/rsvp_opens_at"},
		{`{"rsvp_opens_at":"0000-01-01T00:00:00+14:00"}`, "/rsvp_opens_at"},
		{`{"rsvp_closes_at":"0000-01-01T00:00:00+14:00"}`, "/rsvp_closes_at"},
		{`{"title":"two\u2028lines"}`, "/title"},
		{`{"rsvp_closes_at":"2027-06-01T22:00:01+02:00"}`, "/rsvp_closes_at"},
		{`{"reminders":["4m"]}`, "/reminders"},
		{`{"reminders":["91d"]}`, "/reminders"},
		{`{"reminders":["24h","never"]}`, "/reminders/1"},
		{`{"reminders":["1h","2h","3h","4h","5h","6h","7h","8h","9h","10h","11h"]}`, "/reminders"},
		{`{"retention_days":0}`, "/retention_days"},
		{`{"retention_days":3651}`, "/retention_days"},
		{`{"external_id":"` + long(201) + `"}`, "/external_id"},
		{`{"price_range":{"min":-1,"max":5,"currency":"EUR"}}`, "/price_range/min"},
		{`{"price_range":{"min":6,"max":5,"currency":"EUR"}}`, "/price_range/max"},
		{`{"price_range":{"min":1,"max":5,"currency":"EURO"}}`, "/price_range/currency"},
		{`{"price_range":{"min":1,"max":5}}`, "/price_range/currency"},
		{`{"questions":[{"id":"a b","label":"x","kind":"text"}]}`, "/questions/0/id"},
		{`{"questions":[{"id":"a","label":"x","kind":"text"},{"id":"a","label":"y","kind":"text"}]}`, "/questions/1/id"},
		{`{"questions":[{"id":"a","label":"","kind":"text"}]}`, "/questions/0/label"},
		{`{"questions":[{"id":"a","label":"x","kind":"number"}]}`, "/questions/0/kind"},
		{`{"questions":[{"id":"a","label":"x","kind":"choice"}]}`, "/questions/0/options"},
		{`{"questions":[{"id":"a","label":"x","kind":"text","options":["y"]}]}`, "/questions/0/options"},
		{`{"questions":[{"id":"a","label":"x","kind":"checkbox","options":["y","y"]}]}`, "/questions/0/options/1"},
		{`{"questions":[{"id":"a","label":"x","kind":"checkbox","options":["y",""]}]}`, "/questions/0/options/1"},
	} {
		_, err := create(t, c.body)
		f := fault.As(err)
		if !errors.Is(err, fault.ErrInvalid) || f.Kind != fault.Invalid {
			t.Errorf("%.80s: %v", c.body, err)
			continue
		}
		if len(f.Fields) != 1 || f.Fields[0].Pointer != c.pointer || f.Fields[0].Detail == "" {
			t.Errorf("%.80s: %+v, want %s alone", c.body, f.Fields, c.pointer)
		}
	}
}

func TestAllComplaintsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := NewEvent(&EventInput{Capacity: Some(0), Title: Some("\xff")}, Birth{}, DefaultLimits(), member, today)
	var got []string
	for _, f := range fault.As(err).Fields {
		got = append(got, f.Pointer)
	}
	if want := []string{"/title", "/starts_at", "/ends_at", "/capacity"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestWhatANewEventMaySay(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]func(e contract.Event) bool{
		`{"title":"  Ta\u0308tort  "}`:                                               func(e contract.Event) bool { return e.Title == "Tätort" && e.Slug == "tatort-abc123" },
		`{"title":"北京聚会"}`:                                                           func(e contract.Event) bool { return e.Slug == "bei-jing-ju-hui-abc123" },
		`{"title":"لقاء"}`:                                                           func(e contract.Event) bool { return strings.HasSuffix(e.Slug, "-abc123") && len(e.Slug) > 7 },
		`{"title":"🎉🎉"}`:                                                             func(e contract.Event) bool { return e.Slug == "event-abc123" },
		`{"title":"` + strings.Repeat("long word ", 19) + `"}`:                       func(e contract.Event) bool { return len(e.Slug) <= 67 && !strings.Contains(e.Slug, "--") },
		`{"description":"two\r\nlines\tand \u202bRTL"}`:                              func(e contract.Event) bool { return strings.Contains(e.Description, "\n") },
		`{"online":true}`:                                                            func(e contract.Event) bool { return e.Online && e.OnlineURL == "" },
		`{"online_url":"https://meet.example/r?x=1#y"}`:                              func(e contract.Event) bool { return e.Online },
		`{"online_url":"https://e.org","online":false}`:                              func(e contract.Event) bool { return !e.Online },
		`{"online_url":"http://xn--bcher-kva.example"}`:                              func(e contract.Event) bool { return e.Online },
		`{"venue":{}}`:                                                               func(e contract.Event) bool { return e.Venue == nil },
		`{"venue":{"lat":-90,"lon":180,"country":"de"}}`:                             func(e contract.Event) bool { return e.Venue.Country == "DE" && *e.Venue.Lat == -90 },
		`{"tags":[" Go ","go","","Kafka"]}`:                                          func(e contract.Event) bool { return slices.Equal(e.Tags, []string{"Go", "Kafka"}) },
		`{"capacity":1000,"max_party":1000}`:                                         func(e contract.Event) bool { return *e.Capacity == 1000 },
		`{"reminders":["1h","7d","24h","60m"]}`:                                      func(e contract.Event) bool { return len(e.Reminders) == 3 && e.Reminders[0].String() == "7d" },
		`{"reminders":[]}`:                                                           func(e contract.Event) bool { return len(e.Reminders) == 0 && e.Reminders != nil },
		`{"rsvp_closes_at":"2027-05-30T00:00:00+02:00"}`:                             func(e contract.Event) bool { return e.RSVPClosesAt.Before(e.StartsAt) },
		`{"rsvp_opens_at":"2020-01-01T00:00:00Z"}`:                                   func(e contract.Event) bool { return e.RSVPOpensAt != nil },
		`{"questions":[{"label":"Diet?","kind":"choice","options":["all","none"]}]}`: func(e contract.Event) bool { return e.Questions[0].ID == "q1" },
		`{"price_range":{"min":0,"max":0,"currency":"JPY"}}`:                         func(e contract.Event) bool { return e.Price.Currency == "JPY" },
		`{"starts_at":"2052-01-15T12:00:00Z","ends_at":"2052-01-16T12:00:00Z"}`:      func(e contract.Event) bool { return e.StartsAt.Year() == 2052 },
		`{"starts_at":"2027-06-01T10:00:00-07:00"}`:                                  func(e contract.Event) bool { return e.StartsAt.Hour() == 17 },
		`{"time_zone":"America/Argentina/ComodRivadavia"}`:                           func(e contract.Event) bool { return true },
	} {
		b, err := create(t, body)
		if err != nil {
			t.Errorf("%s: %v %+v", body, err, fault.As(err).Fields)
			continue
		}
		if !want(b.Event) {
			t.Errorf("%s: %+v", body, b.Event)
		}
	}
}

func TestEditing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body     string
		types    []string
		revision int64
		sequence int64
	}{
		{`{}`, nil, 1, 0},
		{`{"title":"Evening","tags":[],"capacity":3}`, nil, 1, 0},
		{`{"title":"Night"}`, []string{contract.EventEditedV1}, 2, 0},
		{`{"questions":[{"id":"a","label":"Diet?","kind":"text"}]}`, []string{contract.EventEditedV1}, 2, 0},
		{`{"starts_at":"2027-06-01T20:00:00+02:00"}`, []string{contract.EventRescheduledV1}, 2, 1},
		{`{"venue":{"city":"Berlin"},"title":"Night"}`, []string{contract.EventRescheduledV1}, 2, 1},
		{`{"online_url":"https://e.org"}`, []string{contract.EventRescheduledV1}, 2, 1},
		{`{"time_zone":"Europe/London"}`, []string{contract.EventRescheduledV1}, 2, 1},
		{`{"capacity":4}`, []string{contract.CapacityChangedV1, contract.RSVPPromotedV1}, 2, 0},
		{`{"capacity":null,"title":"Night"}`, []string{contract.EventEditedV1, contract.CapacityChangedV1, contract.RSVPPromotedV1, contract.RSVPPromotedV1}, 2, 0},
	} {
		w := newWorld(t, 3)
		w.going(3, "a")
		w.going(1, "b", "c")
		v := w.version
		o := w.must(&EditEvent{Input: *read(t, c.body), Revision: 1, Limits: DefaultLimits()}, member)
		if got := w.types(v); !slices.Equal(got, c.types) {
			t.Errorf("%s: %v", c.body, got)
		}
		if o.Event.Revision != c.revision || o.Event.Sequence != c.sequence {
			t.Errorf("%s: revision %d, sequence %d", c.body, o.Event.Revision, o.Event.Sequence)
		}
	}
}

func TestTheWindowFollowsTheStartUnlessItWasSet(t *testing.T) {
	t.Parallel()
	moved := `{"starts_at":"2027-06-02T19:00:00+02:00","ends_at":"2027-06-02T22:00:00+02:00"}`
	w := newWorld(t, 3)
	o := w.must(&EditEvent{Input: *read(t, moved), Limits: DefaultLimits()}, member)
	if !o.Event.RSVPClosesAt.Equal(o.Event.StartsAt) {
		t.Error(o.Event.RSVPClosesAt)
	}
	set := start.Add(-time.Hour)
	w = newWorld(t, 3, func(e *contract.Event) { e.RSVPClosesAt = set })
	o = w.must(&EditEvent{Input: *read(t, moved), Limits: DefaultLimits()}, member)
	if !o.Event.RSVPClosesAt.Equal(set) {
		t.Error(o.Event.RSVPClosesAt)
	}
	o = w.must(&EditEvent{Input: *read(t, `{"rsvp_closes_at":null}`), Limits: DefaultLimits()}, member)
	if !o.Event.RSVPClosesAt.Equal(o.Event.StartsAt) {
		t.Error(o.Event.RSVPClosesAt)
	}
}

func TestTheLifeOfAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, func(e *contract.Event) { e.Status = contract.EventDraft })
	edit := &EditEvent{Input: EventInput{Title: Some("B")}, Limits: DefaultLimits()}
	if o := w.must(&PublishEvent{Revision: 1}, member); o.Event.Revision != 2 || o.Event.Sequence != 1 || !o.Event.PublishedAt.Equal(w.now) {
		t.Fatalf("%+v", o.Event)
	}
	w.refused(ErrWrongState, &PublishEvent{}, member)
	for _, c := range []Command{
		&EditEvent{Revision: 1, Input: edit.Input, Limits: DefaultLimits()}, &CancelEvent{Revision: 1}, &SetCapacity{Revision: 3, Limits: DefaultLimits()},
		&PublishEvent{Revision: 1}, &SetCover{Revision: 1}, &SetSeries{Revision: 9},
	} {
		if f := w.refused(ErrRevision, c, member); f.Kind != fault.Precondition {
			t.Fatal(f)
		}
	}
	w.must(&SetCover{Cover: &contract.Cover{SHA256: "ab"}, Revision: 2}, member)
	v := w.version
	w.must(&SetCover{Cover: &contract.Cover{SHA256: "ab"}}, member)
	w.must(&SetSeries{SeriesID: "s"}, member)
	w.must(&SetSeries{SeriesID: "other"}, member)
	if w.version != v+1 || w.event.SeriesID != "s" {
		t.Fatalf("%v", w.types(v))
	}
	w.going(1, "a", "b")
	v = w.version
	o := w.must(&CancelEvent{Reason: " rain "}, member)
	if got := w.types(v); !slices.Equal(got, []string{contract.EventCancelledV1}) || o.Event.CancelReason != "rain" || w.log[v].Reason != "rain" {
		t.Fatalf("%v %+v", got, o.Event)
	}
	w.status("a", confirmed)
	for _, c := range []Command{edit, &PublishEvent{}, &CancelEvent{}, &SetCapacity{Limits: DefaultLimits()}, &SetCover{}, change("a", contract.NotGoing), &CancelRSVP{RSVPID: "a"}, &CheckIn{RSVPID: "a"}} {
		w.refused(ErrEventCancelled, c, member)
	}
	if _, err := Repeat(w.event, "FREQ=DAILY;COUNT=2", births(2), DefaultLimits(), member, w.now); !errors.Is(err, ErrEventCancelled) {
		t.Fatal(err)
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	for _, body := range []string{
		`{"starts_at":"2020-01-01T00:00:00Z"}`, `{"title":null}`, `{"capacity":0}`, `{"ends_at":"2027-06-01T19:00:00+02:00"}`, `{"time_zone":null}`,
		`{"external_id":"other"}`, `{"organization_id":"o2"}`,
	} {
		w.refused(errInvalidInput, &EditEvent{Input: *read(t, body), Limits: DefaultLimits()}, member)
	}
	w.refused(errInvalidInput, &SetCapacity{Capacity: ptr(0), Limits: DefaultLimits()}, member)
	w.refused(errInvalidInput, &SetCapacity{Capacity: ptr(51), Limits: Limits{MaxCapacity: 50}}, member)
	w.now = start.Add(time.Hour)
	w.must(&EditEvent{Input: *read(t, `{"title":"While it runs"}`), Limits: DefaultLimits()}, member)
	w.now = w.event.EndsAt
	w.refused(ErrEventEnded, &CancelEvent{}, member)
	draft := newWorld(t, 3, func(e *contract.Event) { e.Status = contract.EventDraft })
	draft.now = draft.event.EndsAt
	draft.refused(ErrEventEnded, &PublishEvent{}, member)
}
