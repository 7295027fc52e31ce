package web

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// The page must show all of the description, and no link of it may lead nowhere.
func TestThePageOfTheAPIShowsEveryOperation(t *testing.T) {
	t.Parallel()
	doc, err := newAPIDoc()
	if err != nil {
		t.Fatal(err)
	}
	all, err := newViews()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := all["docs"].ExecuteTemplate(&b, "layout.html", doc.page); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	shown := 0
	for _, g := range doc.page.Groups {
		if len(g.Operations) == 0 {
			t.Errorf("group %s is empty", g.Name)
		}
		shown += len(g.Operations)
	}
	if shown != len(doc.routes) {
		t.Errorf("%d operations in the groups, %d in the description: is there one without a tag of the list?", shown, len(doc.routes))
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("two places are called %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads to #%s, which is not there", m[1])
		}
	}
	for _, wrong := range []string{"<nil>", "$ref", "{[", "&lt;code", "<script"} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page has %q", wrong)
		}
	}
}
