package feed

import (
	"context"

	"github.com/turnout-events/turnout/internal/elastic"
)

// Bulk writes the operations; reject hears of each that can never be applied.
// The error means that all must be sent again.
func Bulk(ctx context.Context, client *elastic.Client, ops []elastic.Op, reject func(i int, reason error)) error {
	if len(ops) == 0 {
		return nil
	}
	results, err := client.Bulk(ctx, ops)
	if err != nil {
		return err
	}
	rejected, retry := elastic.Sum(results)
	if retry != nil {
		return retry
	}
	for i, reason := range rejected {
		reject(i, reason)
	}
	return nil
}
