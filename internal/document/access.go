package document

import (
	"github.com/turnout-events/turnout/internal/contract"
)

// Organization is the access document: who may read what of an organization.
type Organization struct {
	ID       string                `json:"organization_id"`
	Version  int64                 `json:"version"`
	Slug     string                `json:"slug"`
	Accounts []string              `json:"accounts"` // of all members
	Body     contract.Organization `json:"body"`
}

// NewOrganization makes the document. Members' sealed names stay outside: the
// guest list is the one read store for personal data.
func NewOrganization(version int64, o contract.Organization) Organization {
	doc := Organization{ID: o.ID, Version: version, Slug: o.Slug, Accounts: []string{}, Body: o}
	doc.Body.Members = make([]contract.Member, 0, len(o.Members))
	for _, m := range o.Members {
		doc.Accounts = append(doc.Accounts, m.AccountID)
		doc.Body.Members = append(doc.Body.Members, contract.Member{AccountID: m.AccountID, Role: m.Role})
	}
	return doc
}

// RoleOf gives the role of an account, "" for none.
func (o Organization) RoleOf(account string) string {
	for _, m := range o.Body.Members {
		if m.AccountID == account {
			return m.Role
		}
	}
	return ""
}
