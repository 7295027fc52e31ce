package contract

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reading takes what encoding/json takes, except that a name in other case is
// another name.
var reading = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// Read decodes what this package's types were encoded to. It goes through the
// bytes once, where encoding/json does so twice: reading payloads was a third
// of what a projector costs.
func Read(b []byte, into any) error { return json.Unmarshal(b, into, reading) }
