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

// indexSpec makes of refresh what an index needs. Elasticsearch refreshes its
// indices one after the other, a large one before the listing: those that
// members read come less often. Who asks for a version has them refreshed.
func indexSpec(name string, refresh time.Duration) (elastic.IndexSpec, error) {
	switch name {
	case document.GuestList:
		refresh *= 2
	case document.Facts, document.Outcomes:
		refresh *= 4
	}
	mapping, err := document.Mapping(name)
	return elastic.IndexSpec{Mappings: mapping, Refresh: refresh, Version: document.Version(name)}, err
}
