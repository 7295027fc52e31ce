package notifier

import "context"

// Members says which role an account has in an organization; "" means none,
// or none that is known yet.
type Members interface {
	Role(ctx context.Context, organizationID, accountID string) (string, error)
}
