package projector

import (
	"context"
	"time"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
)

// EnsureIndices makes the indices that are missing and adds new fields to those
// that are there. A field that changed its type is an error: rebuild the index.
func EnsureIndices(ctx context.Context, client *elastic.Client, refresh time.Duration) error {
	for _, name := range document.Indices {
		if err := ensureIndex(ctx, client, name, refresh); err != nil {
			return err
		}
	}
	return nil
}

func ensureIndex(ctx context.Context, client *elastic.Client, name string, refresh time.Duration) error {
	spec, err := indexSpec(name, refresh)
	if err != nil {
		return err
	}
	return client.EnsureIndex(ctx, name, spec)
}

func indexSpec(name string, refresh time.Duration) (elastic.IndexSpec, error) {
	mapping, err := document.Mapping(name)
	return elastic.IndexSpec{Mappings: mapping, Refresh: refresh, Version: document.Version(name)}, err
}
