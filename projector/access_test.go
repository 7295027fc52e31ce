package projector_test

import (
	"math/rand/v2"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
)

// An organization may have more members than Lua takes arguments.
func TestAnOrganizationOfThousands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rand.New(rand.NewPCG(7, 8)))
	s := open(t, w)
	org := contract.Organization{ID: newID(t), Slug: "large", Name: "Large"}
	const members = 9_001
	for range members {
		org.Members = append(org.Members, contract.Member{AccountID: newID(t), Role: contract.RoleDoor})
	}
	must(t, s.access(t.Context(), messagesOf([]*contract.Envelope{
		w.envelope(org.ID, 1, contract.OrganizationChangedV1, org.ID, contract.OrganizationMessage{Organization: org})})))
	roles, err := s.redis.HGetAll(t.Context(), s.redis.Key(document.KeyRoles, org.ID)).Result()
	if err != nil || len(roles) != members+1 || roles["v"] != "1" || roles[org.Members[members-1].AccountID] != contract.RoleDoor {
		t.Errorf("%d fields, version %s, %v", len(roles), roles["v"], err)
	}
}
