package web

import (
	"html/template"
	"regexp"
	"slices"
	"strings"
)

// docsPage is the description as /docs shows it.
type docsPage struct {
	Title  string
	Intro  []string
	Groups []docsGroup
	Shapes []docsField
}

type docsGroup struct {
	Name, ID, About string
	Operations      []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary string
	About                     []string // paragraphs
	Auth                      []string
	Parameters                []docsParameter
	Body                      *docsBody
	Answers                   []docsAnswer
}

type docsParameter struct {
	In string
	docsField
}

type docsBody struct {
	Required bool
	Media    []string
	Shape    docsShape
}

type docsAnswer struct {
	Status, About string
	Headers       []string
	Codes         []string // of a problem
	Media         []string
	Shape         docsShape
}

// docsField is a member of an object, or a shape with a name.
type docsField struct {
	Name     string
	Required bool
	Shape    docsShape
}

// docsShape is a JSON Schema as people read it.
type docsShape struct {
	Ref    string // name of a shape of its own
	Type   string
	About  string
	Bounds string
	Fields []docsField
	Of     []docsShape // of a list or map its items, else alternatives
}

func (d *apidoc) view() docsPage {
	page := docsPage{Title: "The API", Intro: paragraphs(d.root.get("info").str("description"))}
	for _, tag := range d.root.get("tags").list() {
		name := tag.str("name")
		g := docsGroup{Name: name, ID: "group-" + strings.ToLower(strings.ReplaceAll(name, " ", "-")), About: tag.str("description")}
		for path, item := range d.root.get("paths").pairs() {
			for method, operation := range item.pairs() {
				if slices.Contains(operation.get("tags").words(), name) {
					g.Operations = append(g.Operations, d.operation(strings.ToUpper(method), path, operation))
				}
			}
		}
		page.Groups = append(page.Groups, g)
	}
	for name, schema := range d.root.get("components").get("schemas").pairs() {
		page.Shapes = append(page.Shapes, docsField{Name: name, Shape: d.shape(schema)})
	}
	slices.SortFunc(page.Shapes, func(a, b docsField) int { return strings.Compare(a.Name, b.Name) })
	return page
}

func (d *apidoc) operation(method, path string, n node) docsOperation {
	o := docsOperation{ID: n.str("operationId"), Method: method, Path: path, Summary: n.str("summary"), About: paragraphs(n.str("description")), Auth: authOf(n.get("security"))}
	for _, p := range n.get("parameters").list() {
		p = d.follow(p)
		shape := d.shape(p.get("schema"))
		if about := p.str("description"); about != "" {
			shape.About = about
		}
		o.Parameters = append(o.Parameters, docsParameter{In: p.str("in"), docsField: docsField{Name: p.str("name"), Required: p.is("required"), Shape: shape}})
	}
	if body := n.get("requestBody"); body.there() {
		o.Body = &docsBody{Required: body.is("required")}
		o.Body.Media, o.Body.Shape = d.content(body)
	}
	for status, answer := range n.get("responses").pairs() {
		answer = d.follow(answer)
		a := docsAnswer{Status: status, About: answer.str("description")}
		for name := range answer.get("headers").pairs() {
			a.Headers = append(a.Headers, name)
		}
		a.Media, a.Shape = d.content(answer)
		if a.Shape.Ref == "Problem" {
			a.Codes = codesOf(answer)
			a.Media, a.Shape = nil, docsShape{}
		}
		o.Answers = append(o.Answers, a)
	}
	return o
}

// content is the media types of a body or an answer, and the shape of the first.
func (d *apidoc) content(n node) (media []string, shape docsShape) {
	for name, content := range n.get("content").pairs() {
		if len(media) == 0 {
			shape = d.shape(content.get("schema"))
		}
		media = append(media, name)
	}
	return media, shape
}

func codesOf(answer node) []string {
	for _, content := range answer.get("content").pairs() {
		return content.get("schema").get("properties").get("code").get("enum").words()
	}
	return nil
}

func authOf(security node) []string {
	names := map[string]string{
		"member": "member (Bearer)", "guest": "guest (Guest)", "link": "guest (?token=)", "operator": "operator (Bearer)",
	}
	var out []string
	for _, one := range security.list() {
		before := len(out)
		for name := range one.pairs() {
			out = append(out, names[name])
		}
		if len(out) == before { // {}: no token is fine too
			out = append(out, "anybody")
		}
	}
	if len(out) == 0 {
		out = []string{"anybody"}
	}
	return out
}

// shape puts a schema into words. A reference keeps its name; what stands
// beside it is shown with it.
func (d *apidoc) shape(n node) docsShape {
	s := docsShape{About: n.str("description"), Bounds: boundsOf(n)}
	if name, ok := strings.CutPrefix(n.str("$ref"), "#/components/schemas/"); ok {
		s.Ref = name
		return s
	}
	s.Type = strings.Join(n.get("type").words(), " or ")
	required := n.get("required").words()
	for name, property := range n.get("properties").pairs() {
		s.Fields = append(s.Fields, docsField{Name: name, Required: slices.Contains(required, name), Shape: d.shape(property)})
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		for _, one := range n.get(key).list() {
			s.Of = append(s.Of, d.shape(one))
		}
	}
	if items := n.get("items"); items.there() {
		s.Type += " of"
		s.Of = append(s.Of, d.shape(items))
	}
	if values := n.get("additionalProperties"); values.get("type").there() || values.get("$ref").there() || values.get("oneOf").there() {
		s.Type = "map of"
		s.Of = append(s.Of, d.shape(values))
	}
	return s
}

// boundsOf tells what a value must keep to.
func boundsOf(n node) string {
	var parts []string
	if values := n.get("enum"); values.there() {
		parts = append(parts, strings.Join(values.words(), " | "))
	}
	for _, key := range []string{"const", "format", "minimum", "exclusiveMinimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "default"} {
		if v := n.get(key); v.there() {
			parts = append(parts, key+" "+v.text())
		}
	}
	return strings.Join(parts, ", ")
}

var (
	codeMark = regexp.MustCompile("`([^`]+)`")
	boldMark = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// paragraphs are what empty lines part; none of an empty text.
func paragraphs(text string) []string {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return strings.Split(text, "\n\n")
}

// marked shows the two marks that descriptions use, code and bold.
func marked(s string) template.HTML {
	s = codeMark.ReplaceAllString(template.HTMLEscapeString(s), "<code>$1</code>")
	return template.HTML(boldMark.ReplaceAllString(s, "<b>$1</b>"))
}
