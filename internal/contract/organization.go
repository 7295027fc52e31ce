package contract

import "time"

// The roles of a member.
const (
	RoleOwner   = "owner"
	RoleEditor  = "editor"
	RoleDoor    = "door"
	RoleAnalyst = "analyst"
)

// Organization is the tenant, whole, with everybody who belongs to it.
type Organization struct {
	ID        string    `json:"id"`
	Slug      string    `json:"slug"`
	Name      string    `json:"name"`
	Colors    *Colors   `json:"colors,omitempty"`
	Tracking  bool      `json:"tracking"` // opens and clicks are counted; off unless the organizer switches it on
	Members   []Member  `json:"members"`
	CreatedAt time.Time `json:"created_at"`
}

// Colors of pages and mail, as #rrggbb.
type Colors struct {
	Primary    string `json:"primary,omitempty"`
	Background string `json:"background,omitempty"`
}

// Member is an account with a role. Sealed holds MemberPersonal, encrypted
// with the account's key.
type Member struct {
	AccountID string `json:"account_id"`
	Role      string `json:"role"`
	Sealed    []byte `json:"sealed,omitempty"`
}

// MemberPersonal is the content of Member.Sealed.
type MemberPersonal struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}
