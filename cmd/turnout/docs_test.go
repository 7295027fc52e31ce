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

// A decision that no list names is not found, and an alert without a line in the runbook wakes somebody who knows nothing.
func TestTheListsOfTheDocumentsAreWhole(t *testing.T) {
	t.Parallel()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	decisions, err := filepath.Glob(filepath.Join(root, "docs", "adr", "[0-9]*.md"))
	if err != nil || len(decisions) == 0 {
		t.Fatal(decisions, err)
	}
	list := read("docs", "adr", "README.md")
	for _, file := range decisions {
		if !strings.Contains(list, "("+filepath.Base(file)+")") {
			t.Errorf("docs/adr/README.md does not list %s", filepath.Base(file))
		}
	}
	runbook := read("docs", "runbook.md")
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(read("deploy", "prometheus", "alerts.yml"), -1)
	if len(alerts) == 0 {
		t.Fatal("no alerts found")
	}
	for _, a := range alerts {
		if !strings.Contains(runbook, "| `"+a[1]+"` |") {
			t.Errorf("docs/runbook.md does not say what to do about %s", a[1])
		}
	}
}
