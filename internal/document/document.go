// Package document holds the shapes that the projectors write and query reads:
// the documents of each index with their mappings, and the keys and values in
// Redis. Changing a field's meaning needs a rebuild of its index.
package document

import (
	"embed"
	"fmt"
)

// Aliases of the indices, behind the namespace and a hyphen.
const (
	Listings  = "listing"   // a document per event
	GuestList = "guestlist" // a document per RSVP
	Facts     = "facts"     // a document per message about an event
	Access    = "access"    // a document per organization
	Outcomes  = "outcomes"  // a document per notification that was sent, or never will be
)

// Indices are all of them, in the order in which they are made.
var Indices = []string{Listings, GuestList, Facts, Access, Outcomes}

//go:embed mapping/*.json
var mappings embed.FS

// Mapping is the "mappings" of an index. It keeps to what a bare Elasticsearch
// 8 has without modules (no analyzers beyond white space, no scaled_float, no
// scripts).
func Mapping(index string) ([]byte, error) {
	b, err := mappings.ReadFile("mapping/" + index + ".json")
	if err != nil {
		return nil, fmt.Errorf("mapping of %s: %w", index, err)
	}
	return b, nil
}

// Version of an index grows when its documents are made differently under the
// same mapping, so that they must be made again: turnout rebuild.
func Version(index string) int {
	switch index {
	case Listings:
		return 2 // 1: Chinese, Japanese and Korean in pairs of letters; 2: what was never published is nobody's to find
	case GuestList:
		return 1
	default:
		return 0
	}
}
