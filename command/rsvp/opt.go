package rsvp

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Opt is a member of a JSON object that may be missing (Set is false), null
// (Value is nil) or there.
type Opt[T any] struct {
	Set   bool
	Value *T
}

// Some is a member that is there.
func Some[T any](v T) Opt[T] { return Opt[T]{Set: true, Value: &v} }

// UnmarshalJSONFrom is called for null as well, but not for a missing member. The decoder's strictness reaches inside.
func (o *Opt[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	o.Set, o.Value = true, nil
	return json.UnmarshalDecode(d, &o.Value)
}

// UnmarshalJSON is for encoding/json, which knows nothing of UnmarshalJSONFrom.
func (o *Opt[T]) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, o, json.RejectUnknownMembers(true))
}
