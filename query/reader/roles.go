package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/fault"
)

// Role gives an account's role in an organization, "" for none. Redis answers;
// Elasticsearch does while Redis is away, empty or being filled.
func (s *Stores) Role(ctx context.Context, org, account string) (string, error) {
	fields, err := askRedis(ctx, s, func(ctx context.Context) ([]any, error) {
		pipe := s.Redis.Pipeline()
		fields := pipe.HMGet(ctx, s.Redis.Key(document.KeyRoles, org), document.FieldVersion, account)
		filled := pipe.Exists(ctx, s.Redis.Key(document.KeySentinel))
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
		if filled.Val() == 0 {
			return nil, redis.Nil // a role of long ago may have been taken away since
		}
		return fields.Val(), nil
	})
	if err == nil && len(fields) == 2 && fields[0] != nil {
		role, _ := fields[1].(string)
		return role, nil
	}
	if err != nil && !Away(err) && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("roles of %s: %w", org, err)
	}
	o, err := s.Organization(ctx, org)
	if errors.Is(err, fault.ErrNotFound) {
		return "", nil
	}
	return o.RoleOf(account), err
}

// RoleSoon is Role, which waits for one that is not there yet: who has just
// made an organization is not told that it does not exist.
func (s *Stores) RoleSoon(ctx context.Context, org, account string) (string, error) {
	var role string
	_, err := poll(ctx, func() (bool, error) {
		var err error
		role, err = s.Role(ctx, org, account)
		return role != "" || err != nil, err
	})
	return role, err
}

// Organization reads the access document in real time.
func (s *Stores) Organization(ctx context.Context, org string) (document.Organization, error) {
	doc, err := run(s.search, func() (elastic.Doc, error) { return s.Elastic.Get(ctx, document.Access, org) })
	switch {
	case errors.Is(err, elastic.ErrNotFound):
		return document.Organization{}, fault.ErrNotFound
	case Away(err):
		return document.Organization{}, ErrSearchAway.Because(err)
	case err != nil:
		return document.Organization{}, err
	}
	var o document.Organization
	if err := json.Unmarshal(doc.Source, &o); err != nil {
		return o, fmt.Errorf("access document %s: %w", org, err)
	}
	return o, nil
}

// maxOrganizations of one account; more are not listed.
const maxOrganizations = 1000

// OrganizationsOf lists those that an account belongs to, by slug.
func (s *Stores) OrganizationsOf(ctx context.Context, account string) ([]document.Organization, error) {
	found, err := run(s.search, func() (elastic.SearchResult, error) {
		return s.Elastic.Search(ctx, document.Access, object{
			"size": maxOrganizations, "query": object{"bool": object{"filter": []any{term("accounts", account)}}},
			"sort": []any{object{"slug": "asc"}}, "track_total_hits": false,
		})
	})
	if err != nil {
		return nil, searched("organizations of an account", err)
	}
	out := make([]document.Organization, 0, len(found.Hits))
	for _, hit := range found.Hits {
		var o document.Organization
		if err := json.Unmarshal(hit.Source, &o); err != nil {
			return nil, fmt.Errorf("access document %s: %w", hit.ID, err)
		}
		out = append(out, o)
	}
	return out, nil
}

// OrganizationsSoon is OrganizationsOf, which waits for a first one.
func (s *Stores) OrganizationsSoon(ctx context.Context, account string) ([]document.Organization, error) {
	var all []document.Organization
	_, err := poll(ctx, func() (bool, error) {
		var err error
		all, err = s.OrganizationsOf(ctx, account)
		return len(all) > 0 || err != nil, err
	})
	return all, err
}
