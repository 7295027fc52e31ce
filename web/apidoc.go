package web

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/goccy/go-yaml"

	"github.com/turnout-events/turnout/docs/openapi"
)

// apidoc is docs/openapi/openapi.yaml: the gateway routes by it, so that what is
// not described is not reachable, and /docs shows it.
type apidoc struct {
	root   node
	routes []apiRoute
	etag   string
	page   docsPage
}

// apiRoute is one operation of the description.
type apiRoute struct {
	method, path string // the path as gin writes it
	role         string // who answers it: x-role
}

// apiRoles may answer: ops is each role's own ops address, gathered.
var apiRoles = []string{"command", "query", "notifier", "ops", "web"}

func newAPIDoc() (*apidoc, error) {
	d := &apidoc{}
	if err := yaml.UnmarshalWithOptions(openapi.Document, &d.root.v, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	for path, item := range d.root.get("paths").pairs() {
		for method, operation := range item.pairs() {
			role := operation.str("x-role")
			if !slices.Contains(apiRoles, role) {
				return nil, fmt.Errorf("openapi.yaml: %s %s: x-role is %q, wants one of %v", method, path, role, apiRoles)
			}
			d.routes = append(d.routes, apiRoute{strings.ToUpper(method), ginPath(path), role})
		}
	}
	if len(d.routes) == 0 {
		return nil, errors.New("openapi.yaml describes no routes")
	}
	sum := sha256.Sum256(openapi.Document)
	d.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	d.page = d.view()
	return d, nil
}

func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// serve answers /openapi.yaml.
func (d *apidoc) serve(c *gin.Context) {
	c.Header("ETag", d.etag)
	c.Header("Cache-Control", "no-cache")
	if slices.Contains(strings.Split(c.GetHeader("If-None-Match"), ", "), d.etag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, "application/yaml", openapi.Document)
}

// docs answers /docs.
func (p *pages) docs(c *gin.Context) { p.show(c, http.StatusOK, "docs", p.doc.page) }

// node is a value of the document; what is not there is a node of nothing.
type node struct{ v any }

func (n node) get(key string) node {
	if m, ok := n.v.(yaml.MapSlice); ok {
		for _, item := range m {
			if item.Key == key {
				return node{item.Value}
			}
		}
	}
	return node{}
}

func (n node) there() bool { return n.v != nil }

func (n node) str(key string) string {
	v := n.get(key)
	if !v.there() {
		return ""
	}
	return v.text()
}

func (n node) text() string {
	if n.v == nil {
		return "null"
	}
	return fmt.Sprint(n.v)
}

func (n node) is(key string) bool { b, _ := n.get(key).v.(bool); return b }

func (n node) list() []node {
	items, _ := n.v.([]any)
	out := make([]node, len(items))
	for i, item := range items {
		out[i] = node{item}
	}
	return out
}

// words are the texts of a list, or of a single value.
func (n node) words() []string {
	if s, ok := n.v.(string); ok {
		return []string{s}
	}
	var out []string
	for _, item := range n.list() {
		out = append(out, item.text())
	}
	return out
}

// pairs goes through an object in the order in which it is written.
func (n node) pairs() func(yield func(string, node) bool) {
	return func(yield func(string, node) bool) {
		m, _ := n.v.(yaml.MapSlice)
		for _, item := range m {
			if !yield(fmt.Sprint(item.Key), node{item.Value}) {
				return
			}
		}
	}
}

// follow resolves a reference to a component; another node is itself.
func (d *apidoc) follow(n node) node {
	ref, ok := strings.CutPrefix(n.str("$ref"), "#/")
	if !ok {
		return n
	}
	at := d.root
	for part := range strings.SplitSeq(ref, "/") {
		at = at.get(part)
	}
	return at
}
