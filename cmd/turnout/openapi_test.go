package main

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	commandapi "github.com/turnout-events/turnout/command/httpapi"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/ops"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/described"
	notifierapi "github.com/turnout-events/turnout/notifier/httpapi"
	"github.com/turnout-events/turnout/projector"
	queryapi "github.com/turnout-events/turnout/query/httpapi"
)

// The description is what the gateway routes by: a route that only a role has
// cannot be reached, one that only the description has leads nowhere.
func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	t.Parallel()
	doc, err := described.Load()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			role, _ := operation.Extensions["x-role"].(string)
			said[role] = append(said[role], method+" "+unnamed(path))
		}
	}
	for role, register := range map[string]func(*gin.Engine){
		"command":  (&commandapi.API{}).Routes,
		"query":    (&queryapi.API{}).Routes,
		"notifier": (&notifierapi.API{}).Routes,
		"ops": func(e *gin.Engine) {
			(&commandapi.API{}).OpsRoutes(e)
			(&notifierapi.API{}).OpsRoutes(e, ops.Guard(""))
			ops.DLQRoutes(e, ops.Guard(""), kafkabus.Config{}, nil, nil)
			e.GET("/v1/ops/lag", ops.LagHandler(kafkabus.Config{}, nil))
			e.GET("/v1/ops/rebuilds", (&projector.Projector{}).RebuildsHandler)
		},
	} {
		e := httpserver.New(httpserver.Config{Role: role}, slog.New(slog.DiscardHandler)).Engine()
		register(e)
		var has []string
		for _, r := range e.Routes() {
			// Keys and profiles stay on the role's own ops address.
			if r.Method != "HEAD" && !strings.HasPrefix(r.Path, "/internal/") && r.Path != "/v1/ops/profile" {
				has = append(has, r.Method+" "+unnamed(r.Path))
			}
		}
		for _, route := range has {
			if !slices.Contains(said[role], route) {
				t.Errorf("%s answers %s, which docs/openapi/openapi.yaml does not describe", role, route)
			}
		}
		for _, route := range said[role] {
			if !slices.Contains(has, route) {
				t.Errorf("docs/openapi/openapi.yaml describes %s, which %s does not answer", route, role)
			}
		}
	}
}

// Clients go by the codes: one that is described nowhere cannot be told from the others, and a described one that nothing
// answers is waited for in vain.
func TestEveryProblemCodeIsDescribed(t *testing.T) {
	t.Parallel()
	doc, err := described.Load()
	if err != nil {
		t.Fatal(err)
	}
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{"internal": true} // what is no fault
	declaration := regexp.MustCompile(`New\((?:fault\.)?[A-Z]\w+, "([a-z-]+)"`)
	for _, dir := range []string{"command", "query", "notifier", "web", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range declaration.FindAllSubmatch(text, -1) {
				declared[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	delete(declared, "profiling") // on a role's own ops address only
	said := map[string]bool{}
	for _, code := range doc.Components.Schemas["Code"].Value.Enum {
		name, _ := code.(string)
		said[name] = true
		if !declared[name] {
			t.Errorf("docs/openapi/openapi.yaml describes the code %s, which nothing answers", code)
		}
	}
	for code := range declared {
		if !said[code] {
			t.Errorf("the code %s is not in the schema Code of docs/openapi/openapi.yaml", code)
		}
	}
}

// unnamed drops the names of path parameters, gin's and OpenAPI's.
func unnamed(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || strings.HasPrefix(p, "{") {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
