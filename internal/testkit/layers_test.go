package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/turnout-events/turnout"

// listed is what `go list -deps -json` tells about a package.
type listed struct {
	ImportPath string
	Imports    []string // direct, without tests
	Deps       []string // all the way down
}

// layer is one import rule: no package below one of `in` may come to depend, however indirectly, on one below `never`
// (or, where direct is set, import it itself).
type layer struct {
	why    string
	in     []string
	never  []string
	direct bool
	but    []string // packages of `in` that are excepted
}

var roles = []string{"command", "projector", "query", "notifier", "web"}
var engines = []string{"postgres", "kafkabus", "elastic", "redisconn", "httpserver", "process"}

func layers() []layer {
	rules := []layer{
		{
			why: "the rules of an RSVP are pure, so that they can be read and tested without an engine",
			in:  []string{own("command/rsvp")},
			never: []string{
				"github.com/gin-gonic", "github.com/jackc", "github.com/ThreeDotsLabs", "github.com/IBM", "github.com/redis",
				"database/sql$", "net/http",
			},
		},
		{
			why: "the rules of an RSVP log nothing", in: []string{own("command/rsvp")}, never: []string{"log/slog", "log"}, direct: true,
		},
		{
			why: "the read side never touches Postgres", in: []string{own("query"), own("projector")},
			never: []string{"github.com/jackc", "database/sql$", "github.com/pressly", own("internal/postgres"), own("migrations")},
		},
		{
			why: "contracts, ids and faults stand below everything", in: []string{own("internal/contract"), own("internal/id"), own("internal/fault")},
			never: append(prefixed("internal/", engines), own("internal/seal"), own("internal/token"), own("internal/seed")),
		},
		{
			why: "only cmd starts things", in: []string{module}, never: []string{own("cmd")}, but: []string{own("cmd")},
		},
		{
			why: "testkit is for tests", in: []string{module}, never: []string{own("internal/testkit"), "testing"}, direct: true,
			but: []string{own("internal/testkit")},
		},
		{
			why: "the root package of go-elasticsearch compiles its whole typed API, minutes and a gigabyte: use esapi and elastictransport",
			in:  []string{module},
			never: []string{
				"github.com/elastic/go-elasticsearch/v8/typedapi", "github.com/elastic/go-elasticsearch/v8/esutil",
			},
		},
	}
	for _, role := range roles {
		others := slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return r == role })
		rules = append(rules,
			layer{why: "roles meet on the wire, never in code", in: []string{own(role)}, never: prefixed("", others)},
			layer{why: "an engine package knows no role", in: prefixed("internal/", engines), never: []string{own(role)}},
		)
	}
	return append(rules, layer{
		why: "an engine package knows no business word", in: prefixed("internal/", engines), never: []string{own("internal/contract")},
	})
}

// TestImportsPointOneWay holds every package to the layers above. depguard says the same while one types; this sees what
// comes in through a third package as well.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, rule := range layers() {
		for _, p := range packages {
			if !below(p.ImportPath, rule.in) || below(p.ImportPath, rule.but) {
				continue
			}
			deps := p.Deps
			if rule.direct {
				deps = p.Imports
			}
			for _, dep := range deps {
				if below(dep, rule.never) {
					t.Errorf("%s depends on %s: %s", p.ImportPath, dep, rule.why)
				}
			}
		}
	}
}

// The rules must bite: a package that breaks each of them is made up here.
func TestLayersMatchWhatTheyForbid(t *testing.T) {
	t.Parallel()
	for _, rule := range layers() {
		for _, in := range rule.in {
			for _, never := range rule.never {
				exact, only := strings.CutSuffix(never, "$")
				if !below(in+"/x", rule.in) || !below(exact, rule.never) || below(exact+"/x", rule.never) == only {
					t.Errorf("rule %q does not match %s -> %s", rule.why, in, never)
				}
			}
		}
	}
	if below(own("query2"), []string{own("query")}) {
		t.Error("query2 is taken for a part of query")
	}
}

// list returns the packages of this module, without tests.
func list(t *testing.T) []listed {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 5 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	return packages
}

func own(path string) string { return module + "/" + path }

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = own(prefix + n)
	}
	return out
}

// below tells whether path is one of the given ones or lies under one; one that ends in $ stands for itself only
// (database/sql/driver is an interface that an id type may have, database/sql is a store).
func below(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		exact, only := strings.CutSuffix(d, "$")
		return path == exact || !only && strings.HasPrefix(path, d+"/")
	})
}
