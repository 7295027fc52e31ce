package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
)

// The refusals about organizations.
var (
	ErrSlugTaken = fault.New(fault.Conflict, "slug-taken", "Another organization has this slug")
	ErrFull      = fault.New(fault.Conflict, "organization-full", "The organization has as many members as it can have")
	ErrLastOwner = fault.New(fault.Conflict, "last-owner", "An organization needs an owner")
	ErrNoAccount = fault.New(fault.NotFound, "account-not-found", "Nobody has signed up with this address")
	ErrNoMember  = fault.New(fault.NotFound, "member-not-found", "This address does not belong to the organization")
)

// Organizations makes and changes organizations and decides what their members
// may do. Safe for concurrent use.
type Organizations struct {
	store    *pgstore.Organizations
	accounts *pgstore.Accounts
	ring     *seal.Keyring
}

// NewOrganizations decides on the stores.
func NewOrganizations(store *pgstore.Organizations, accounts *pgstore.Accounts, ring *seal.Keyring) *Organizations {
	return &Organizations{store: store, accounts: accounts, ring: ring}
}

// Asked is who asks for a change, and how the answer is kept.
type Asked struct {
	AccountID   string
	Traceparent string
	Once        pgstore.Once
	Encode      pgstore.Encode
	Now         time.Time
}

func (a Asked) said(wireName string) pgstore.Said {
	return pgstore.Said{Type: wireName, Actor: "member:" + a.AccountID, Traceparent: a.Traceparent}
}

var (
	slugPattern  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	colorPattern = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

const maxSlug = 80

// Create makes an organization whose owner is who asks.
func (o *Organizations) Create(ctx context.Context, a Asked, name, slug string) (pgstore.Kept, bool, error) {
	var fields []fault.Field
	if detail := checkLine(name, 1, maxName); detail != "" {
		fields = append(fields, fault.Field{Pointer: "/name", Detail: detail})
	}
	if !slugPattern.MatchString(slug) || len(slug) > maxSlug {
		fields = append(fields, fault.Field{Pointer: "/slug", Detail: "wants letters a to z, digits and single hyphens, at most 80"})
	}
	if len(fields) > 0 {
		return pgstore.Kept{}, false, fault.ErrInvalid.About(fields...)
	}
	owner, err := o.accounts.ByID(ctx, a.AccountID)
	if errors.Is(err, pgstore.ErrNone) || err == nil && owner.WrappedKey == nil {
		return pgstore.Kept{}, false, fault.ErrUnauthorized.Detailf("The account is gone.")
	}
	if err != nil {
		return pgstore.Kept{}, false, err
	}
	orgID, err := id.New()
	if err != nil {
		return pgstore.Kept{}, false, err
	}
	kept, replayed, err := o.store.Create(ctx, a.Once, contract.Organization{
		ID: orgID, Slug: slug, Name: name, CreatedAt: contract.Time(a.Now),
		Members: []contract.Member{{AccountID: owner.ID, Role: contract.RoleOwner, Sealed: owner.Sealed}},
	}, a.said(contract.OrganizationCreatedV1), a.Now, a.Encode)
	if errors.Is(err, pgstore.ErrTaken) {
		err = ErrSlugTaken
	}
	return kept, replayed, err
}

// Edit is what may change of an organization; nil leaves it as it is.
type Edit struct {
	Name     *string          `json:"name"`
	Colors   *contract.Colors `json:"colors"`
	Tracking *bool            `json:"tracking"`
}

func (e Edit) check() (fields []fault.Field) {
	if e.Name != nil {
		if detail := checkLine(*e.Name, 1, maxName); detail != "" {
			fields = append(fields, fault.Field{Pointer: "/name", Detail: detail})
		}
	}
	if e.Colors != nil {
		for pointer, color := range map[string]string{"/colors/primary": e.Colors.Primary, "/colors/background": e.Colors.Background} {
			if color != "" && !colorPattern.MatchString(color) {
				fields = append(fields, fault.Field{Pointer: pointer, Detail: "is not a color like #1a2b3c"})
			}
		}
	}
	return fields
}

// Change edits an organization; owners may.
func (o *Organizations) Change(ctx context.Context, a Asked, orgID string, e Edit) (pgstore.Kept, bool, error) {
	if fields := e.check(); len(fields) > 0 {
		return pgstore.Kept{}, false, fault.ErrInvalid.About(fields...)
	}
	return o.change(ctx, a, orgID, func(org *contract.Organization) (pgstore.Said, error) {
		if e.Name != nil {
			org.Name = *e.Name
		}
		if e.Colors != nil {
			org.Colors = e.Colors
		}
		if e.Tracking != nil {
			org.Tracking = *e.Tracking
		}
		return a.said(contract.OrganizationChangedV1), nil
	})
}

// maxMembers bounds the messages about an organization, which name all of them: a member takes up to a kilobyte, and Kafka
// a megabyte.
const maxMembers = 500

// AddMember gives the account of an address a role, or another role; owners may.
func (o *Organizations) AddMember(ctx context.Context, a Asked, orgID, email, role string) (pgstore.Kept, bool, error) {
	if !slices.Contains([]string{contract.RoleOwner, contract.RoleEditor, contract.RoleDoor, contract.RoleAnalyst}, role) {
		return pgstore.Kept{}, false, fault.ErrInvalid.About(fault.Field{Pointer: "/role", Detail: "wants owner, editor, door or analyst"})
	}
	if err := o.mayOwn(ctx, a, orgID); err != nil {
		return pgstore.Kept{}, false, err // before a look at other people's addresses
	}
	who, err := o.byEmail(ctx, email, ErrNoAccount)
	if err != nil {
		return pgstore.Kept{}, false, err
	}
	return o.change(ctx, a, orgID, func(org *contract.Organization) (pgstore.Said, error) {
		i := slices.IndexFunc(org.Members, func(m contract.Member) bool { return m.AccountID == who.ID })
		switch {
		case i < 0 && len(org.Members) >= maxMembers:
			return pgstore.Said{}, ErrFull
		case i < 0:
			org.Members = append(org.Members, contract.Member{AccountID: who.ID, Role: role, Sealed: who.Sealed})
		case org.Members[i].Role == role:
			return pgstore.Said{}, nil
		default:
			org.Members[i].Role = role
		}
		return a.said(contract.MemberAddedV1), ownerLeft(org)
	})
}

// RemoveMember ends the membership of an address. Owners may, and everybody
// for themself.
func (o *Organizations) RemoveMember(ctx context.Context, a Asked, orgID, email string) (pgstore.Kept, bool, error) {
	role, err := o.Role(ctx, orgID, a.AccountID)
	if err != nil {
		return pgstore.Kept{}, false, err
	}
	who, err := o.byEmail(ctx, email, ErrNoMember)
	if err == nil && role != contract.RoleOwner && who.ID != a.AccountID || errors.Is(err, ErrNoMember) && role != contract.RoleOwner {
		err = fault.ErrForbidden
	}
	if err != nil {
		return pgstore.Kept{}, false, err
	}
	return o.changeAs(ctx, a, orgID, func(org *contract.Organization) (pgstore.Said, error) {
		i := slices.IndexFunc(org.Members, func(m contract.Member) bool { return m.AccountID == who.ID })
		if i < 0 {
			return pgstore.Said{}, ErrNoMember
		}
		org.Members = slices.Delete(org.Members, i, i+1)
		return a.said(contract.MemberRemovedV1), ownerLeft(org)
	})
}

// Person is a member by name.
type Person struct {
	AccountID               string `json:"account_id"`
	Role                    string `json:"role"`
	contract.MemberPersonal        // empty once the account was erased
}

// People gives the members of an organization, in the order in which they joined; owners may know.
func (o *Organizations) People(ctx context.Context, orgID, accountID string) ([]Person, error) {
	if err := o.Allow(ctx, orgID, accountID, contract.RoleOwner); err != nil {
		return nil, err
	}
	members, err := o.accounts.Members(ctx, orgID)
	if err != nil {
		return nil, err
	}
	people := make([]Person, len(members))
	for i, m := range members {
		people[i] = Person{AccountID: m.AccountID, Role: m.Role}
		if m.WrappedKey == nil {
			continue
		}
		if people[i].MemberPersonal, err = o.open(m); err != nil {
			return nil, fmt.Errorf("account %s: %w", m.AccountID, err)
		}
	}
	return people, nil
}

func (o *Organizations) open(m pgstore.MemberAccount) (who contract.MemberPersonal, err error) {
	key, err := o.ring.Unwrap(m.WrappedKey, m.AccountID)
	if err != nil {
		return who, err
	}
	plain, err := seal.Open(key, m.Sealed, m.AccountID)
	if err != nil {
		return who, err
	}
	return who, json.Unmarshal(plain, &who)
}

func ownerLeft(org *contract.Organization) error {
	if slices.ContainsFunc(org.Members, func(m contract.Member) bool { return m.Role == contract.RoleOwner }) {
		return nil
	}
	return ErrLastOwner
}

func (o *Organizations) byEmail(ctx context.Context, email string, none error) (pgstore.Account, error) {
	normalized, err := seal.NormalizeEmail(email)
	if err != nil {
		return pgstore.Account{}, fault.ErrInvalid.About(fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
	}
	who, err := o.accounts.ByEmail(ctx, o.ring.EmailHMAC(normalized))
	if errors.Is(err, pgstore.ErrNone) {
		return pgstore.Account{}, none
	}
	return who, err
}

// change is changeAs for an owner.
func (o *Organizations) change(ctx context.Context, a Asked, orgID string,
	change func(*contract.Organization) (pgstore.Said, error),
) (pgstore.Kept, bool, error) {
	if err := o.mayOwn(ctx, a, orgID); err != nil {
		return pgstore.Kept{}, false, err
	}
	return o.changeAs(ctx, a, orgID, change)
}

func (o *Organizations) changeAs(ctx context.Context, a Asked, orgID string,
	change func(*contract.Organization) (pgstore.Said, error),
) (pgstore.Kept, bool, error) {
	kept, replayed, err := o.store.Change(ctx, a.Once, orgID, a.Now, change, a.Encode)
	if errors.Is(err, pgstore.ErrNone) {
		err = fault.ErrNotFound
	}
	return kept, replayed, err
}

func (o *Organizations) mayOwn(ctx context.Context, a Asked, orgID string) error {
	return o.Allow(ctx, orgID, a.AccountID, contract.RoleOwner)
}

// Role is the member's role. A stranger gets ErrNotFound: that the
// organization exists is not theirs to know.
func (o *Organizations) Role(ctx context.Context, orgID, accountID string) (string, error) {
	if !id.Valid(orgID) {
		return "", fault.ErrNotFound
	}
	role, err := o.store.Role(ctx, orgID, accountID)
	if err == nil && role == "" {
		err = fault.ErrNotFound
	}
	return role, err
}

// Allow refuses a member without one of the roles (ErrForbidden) and a
// stranger (ErrNotFound).
func (o *Organizations) Allow(ctx context.Context, orgID, accountID string, roles ...string) error {
	role, err := o.Role(ctx, orgID, accountID)
	if err == nil && !slices.Contains(roles, role) {
		err = fault.ErrForbidden.Detailf("This needs the role %s; yours is %s.", roles[0], role)
	}
	return err
}
