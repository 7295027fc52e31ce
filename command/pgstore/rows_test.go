package pgstore

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// A field that is added to the contract and not stored is lost between one
// command and the next: every field is a column or in the body.
func TestEveryFieldOfAnRSVPIsStored(t *testing.T) {
	t.Parallel()
	columns := map[string]bool{
		"id": true, "event_id": true, "status": true, "response": true, "party_size": true, "queued_version": true,
		"offer_expires_at": true, "pending_expires_at": true, "checked_in": true, "epoch": true, "sealed": true,
		"created_at": true, "updated_at": true,
	}
	var full contract.RSVP
	fill(t, reflect.ValueOf(&full).Elem())
	body, err := bodyOf(&full)
	if err != nil {
		t.Fatal(err)
	}
	var stored, all map[string]any
	whole, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(whole, &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &stored); err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		if !columns[name] && !reflect.DeepEqual(stored[name], want) {
			t.Errorf("%s is not stored: %v, want %v", name, stored[name], want)
		}
	}
	var rest rsvpBody
	if err := json.Unmarshal(body, &rest); err != nil {
		t.Fatal(err)
	}
	read := full
	rest.into(&read)
	if !reflect.DeepEqual(read, full) {
		t.Errorf("read back: %+v\nstored: %+v", read, full)
	}
	var empty contract.RSVP
	rest.into(&empty)
	for i := range reflect.TypeFor[contract.RSVP]().NumField() {
		f := reflect.TypeFor[contract.RSVP]().Field(i)
		name, _, _ := cut(f.Tag.Get("json"))
		if !columns[name] && reflect.ValueOf(empty).Field(i).IsZero() {
			t.Errorf("%s is stored and not read", name)
		}
	}
}

func cut(tag string) (name, rest string, found bool) {
	for i := range len(tag) {
		if tag[i] == ',' {
			return tag[:i], tag[i+1:], true
		}
	}
	return tag, "", false
}

// fill sets every field to something that is not zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	default:
		t.Fatalf("a field of type %s", v.Type())
	}
}
