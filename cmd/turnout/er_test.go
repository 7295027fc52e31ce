package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
)

var update = flag.Bool("update", false, "write docs/er.md anew (make er)")

// docs/er.md is drawn from a migrated database, so it cannot say what is not so.
func TestTheSchemaIsDrawnAsItIs(t *testing.T) {
	t.Parallel()
	testkit.Engines(t)
	url := testkit.Database(t)
	if err := postgres.Migrate(t.Context(), url, migrations.FS); err != nil {
		t.Fatal(err)
	}
	var drawn bytes.Buffer
	if err := drawSchema(t.Context(), url, &drawn); err != nil {
		t.Fatal(err)
	}
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "docs", "er.md")
	if *update {
		if err := os.WriteFile(file, drawn.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, drawn.Bytes()) {
		t.Errorf("docs/er.md is not the schema any more: make er")
	}
}
