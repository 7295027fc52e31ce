package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/testkit"
)

// A path in a document that does not exist sends a reader into the woods.
func TestEveryPathInTheDocumentsExists(t *testing.T) {
	t.Parallel()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	documents = append(append(documents, decisions...), filepath.Join(root, "README.md"))
	quoted := regexp.MustCompile("`((?:cmd|command|query|projector|notifier|web|internal|migrations|deploy|loadtest|docs)/[A-Za-z0-9_./-]*)`")
	linked := regexp.MustCompile(`\]\(([^):#]+)\)`)
	for _, file := range documents {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		check := func(path, base string) {
			if _, err := os.Stat(filepath.Join(base, path)); err != nil {
				t.Errorf("%s names %s, which does not exist", strings.TrimPrefix(file, root+"/"), path)
			}
		}
		for _, m := range quoted.FindAllSubmatch(text, -1) {
			check(string(m[1]), root)
		}
		for _, m := range linked.FindAllSubmatch(text, -1) {
			check(string(m[1]), filepath.Dir(file))
		}
	}
}
