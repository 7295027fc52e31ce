package notice

import (
	"slices"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// The kinds that go to members, not to guests.
const (
	Digest    Kind = "digest"     // what was answered since the day before
	EventFull Kind = "event_full" //
)

// MemberKinds are those.
var MemberKinds = []Kind{Digest, EventFull}

// ForMembers tells whether k is one of MemberKinds.
func (k Kind) ForMembers() bool { return slices.Contains(MemberKinds, k) }

// MemberRoles get them: who may read the guest list.
var MemberRoles = []string{contract.RoleOwner, contract.RoleEditor}

// Member is who of an organization a notice goes to.
type Member struct {
	OrganizationID string
	AccountID      string
	Role           string
	Sealed         []byte // contract.MemberPersonal
	Choice         Choice
}

// Choice is what a member wants by mail, and in which language.
type Choice struct {
	Digest    bool
	EventFull bool
	Locale    string
}

// AsBefore holds until a member has chosen.
var AsBefore = Choice{Digest: true, EventFull: true, Locale: "en"}

// Wants tells whether a kind goes to the member.
func (m *Member) Wants(k Kind) bool {
	if !slices.Contains(MemberRoles, m.Role) {
		return false
	}
	switch k {
	case Digest:
		return m.Choice.Digest
	case EventFull:
		return m.Choice.EventFull
	default:
		return false
	}
}

// News is what a digest tells of one event: answers that changed, by where
// they stand now, and how full it is.
type News struct {
	EventID  string
	Title    string
	Slug     string
	StartsAt time.Time
	TimeZone string
	Answers  map[string]int // by status
	People   int            // of those confirmed among them
	Going    int            // people in all
	Held     int
	Waiting  int
	Capacity *int
}

// DigestAt is the time that a digest was planned for: it stands in the
// occurrence, because a later try moves when the notice is due.
func (n *Notice) DigestAt() time.Time {
	_, text, _ := strings.Cut(n.Occurrence, "/")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return n.DueAt
	}
	return at
}
