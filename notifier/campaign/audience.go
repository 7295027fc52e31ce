package campaign

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
)

// Candidate is a guest whom the store found for a segment.
type Candidate struct {
	RSVPID    string
	Updates   bool
	Marketing bool
	Erased    bool
	Sealed    []byte // contract.Personal
	Identity  string // of the address, keyed; filled by Identify
}

// Why a candidate gets no mail. They are stored and shown.
const (
	SkipErased    = "erased"
	SkipDuplicate = "same-person"     // gets it for a later answer
	SkipConsent   = "without-consent" // to updates; to marketing for guests of other events
	SkipAttended  = "attended-before"
	SkipNewcomer  = "not-attended-before"
)

// Keys gives the data keys of RSVPs, at most seal.MaxKeyIDs at once.
type Keys interface {
	Fetch(ctx context.Context, ids []string) (seal.DataKeys, error)
}

// Identify opens the addresses' identities of at most seal.MaxKeyIDs
// candidates. They exist in clear in memory only, as in the rest of the
// notifier. Whose key is gone keeps none.
func Identify(ctx context.Context, keys Keys, candidates []Candidate) error {
	ids := make([]string, 0, len(candidates))
	for _, c := range candidates {
		if !c.Erased {
			ids = append(ids, c.RSVPID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := keys.Fetch(ctx, ids)
	if err != nil {
		return fmt.Errorf("keys of %d guests: %w", len(ids), err)
	}
	for i := range candidates {
		c := &candidates[i]
		key, there := found.Keys[c.RSVPID]
		if !there || c.Erased {
			continue
		}
		plain, err := seal.Open(key, c.Sealed, c.RSVPID)
		if err != nil {
			continue // the delivery of other notices says so, with its id
		}
		var p contract.Personal
		if json.Unmarshal(plain, &p) == nil {
			c.Identity = string(p.EmailHMAC)
		}
	}
	return nil
}

// Sieve decides about candidates one by one, from the latest answer to the
// first: of a person with several the latest decides.
type Sieve struct {
	segment  Segment
	attended map[string]bool // identities; nil unless the segment asks
	seen     map[string]bool
}

// NewSieve makes one for a segment; attended are the identities of those who
// were at an earlier event.
func NewSieve(s Segment, attended map[string]bool) *Sieve {
	return &Sieve{segment: s, attended: attended, seen: map[string]bool{}}
}

// Take says why a candidate gets no mail; empty: it gets one.
func (s *Sieve) Take(c Candidate) (skip string) {
	consent := c.Updates
	if s.segment.Scope == ScopeOrganization {
		consent = c.Marketing
	}
	if s.segment.NeedsIdentity() {
		if c.Identity == "" {
			return SkipErased
		}
		if s.segment.Scope == ScopeOrganization {
			if s.seen[c.Identity] {
				return SkipDuplicate
			}
			s.seen[c.Identity] = true
		}
	}
	switch {
	case c.Erased:
		return SkipErased
	case !consent:
		return SkipConsent
	case s.segment.AttendedBefore != nil && *s.segment.AttendedBefore != s.attended[c.Identity]:
		if *s.segment.AttendedBefore {
			return SkipNewcomer
		}
		return SkipAttended
	default:
		return ""
	}
}
