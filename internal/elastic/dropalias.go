package elastic

import (
	"context"
	"errors"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// DropAlias takes an alias off every index that it is on; the indices stay. A missing alias is no error.
func (c *Client) DropAlias(ctx context.Context, alias string) error {
	err := c.do(ctx, "drop alias", esapi.IndicesDeleteAliasRequest{Index: []string{c.cfg.Namespace + "-*"}, Name: []string{c.Alias(alias)}}, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
