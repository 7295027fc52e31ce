package rsvp

import (
	"bytes"
	"encoding/json"
)

// Opt is a member of a JSON object that may be missing (Set is false), null
// (Value is nil) or there.
type Opt[T any] struct {
	Set   bool
	Value *T
}

// Some is a member that is there.
func Some[T any](v T) Opt[T] { return Opt[T]{Set: true, Value: &v} }

// UnmarshalJSON is called for null as well, but not for a missing member. It is
// strict by itself: the strictness of the decoder outside does not reach here.
func (o *Opt[T]) UnmarshalJSON(b []byte) error {
	o.Set, o.Value = true, nil
	if string(b) == "null" {
		return nil
	}
	o.Value = new(T)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(o.Value)
}
