package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// surfer is who uses the pages in a browser without scripts: it keeps cookies, follows redirects, and fills in forms.
type surfer struct {
	w    *world
	http *http.Client

	at     *url.URL // of the page that is open
	status int
	page   *html.Node
	text   string // of the page, as it came
}

func (w *world) surfer() *surfer {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &surfer{w: w, http: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

// open asks for a page.
func (r *surfer) open(path string) *surfer {
	r.w.t.Helper()
	r.send(func() (*http.Request, error) {
		return http.NewRequestWithContext(r.w.t.Context(), http.MethodGet, r.absolute(path), nil)
	})
	return r
}

func (r *surfer) absolute(path string) string {
	base, err := url.Parse(r.w.url)
	if r.at != nil {
		base = r.at
	}
	if err != nil {
		r.w.t.Fatal(err)
	}
	to, err := base.Parse(path)
	if err != nil {
		r.w.t.Fatal(err)
	}
	return to.String()
}

// send asks, and comes again while a part of the system has no time: a page that catches up is loaded again, a form is
// sent again as it was.
func (r *surfer) send(made func() (*http.Request, error)) {
	r.w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		req, err := made()
		if err != nil {
			r.w.t.Fatal(err)
		}
		res, err := r.http.Do(req)
		if err != nil {
			r.w.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			r.w.t.Fatal(err)
		}
		if r.page, err = html.Parse(bytes.NewReader(body)); err != nil {
			r.w.t.Fatal(err)
		}
		r.at, r.status, r.text = res.Request.URL, res.StatusCode, string(body)
		running := r.status == http.StatusConflict && strings.Contains(r.text, "still running") // the first try of a form
		if r.status != http.StatusServiceUnavailable && !running || time.Now().After(end) {
			return
		}
		if res.Request.Method == http.MethodGet { // of a form that was taken
			at := r.at.String()
			made = func() (*http.Request, error) {
				return http.NewRequestWithContext(r.w.t.Context(), http.MethodGet, at, nil)
			}
		}
		r.w.t.Logf("%s: %d, coming again", r.at, r.status)
		r.w.pause(200 * time.Millisecond)
	}
}

// shows fails the test where the page lacks one of the texts.
func (r *surfer) shows(status int, texts ...string) *surfer {
	r.w.t.Helper()
	said := strings.Join(strings.Fields(words(r.page)), " ")
	for _, text := range texts {
		if !strings.Contains(said, text) {
			r.w.t.Fatalf("%s does not say %q:\n%s", r.at, text, said)
		}
	}
	if r.status != status {
		r.w.t.Fatalf("%s answered %d, want %d:\n%s", r.at, r.status, status, said)
	}
	return r
}

// press fills in the form that has the button, and sends it. Typed is name, value, name, value; a box is unticked with "".
func (r *surfer) press(button string, typed ...string) *surfer {
	r.w.t.Helper()
	form, by := r.formOf(button)
	fields := filled(form)
	if name := attr(by, "name"); name != "" {
		fields.Set(name, attr(by, "value"))
	}
	for i := 0; i+1 < len(typed); i += 2 {
		if fields.Set(typed[i], typed[i+1]); typed[i+1] == "" && !slices.Contains([]string{"", "text"}, kindOf(form, typed[i])) {
			fields.Del(typed[i])
		}
	}
	action := attr(by, "formaction")
	if action == "" {
		action = attr(form, "action")
	}
	to := r.absolute(action)
	r.send(func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(r.w.t.Context(), http.MethodPost, to, strings.NewReader(fields.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	})
	return r
}

// upload sends the form that has the button with a file.
func (r *surfer) upload(button, name string, file []byte) *surfer {
	r.w.t.Helper()
	form, _ := r.formOf(button)
	var b bytes.Buffer
	parts := multipart.NewWriter(&b)
	for field, values := range filled(form) {
		if field != name {
			_ = parts.WriteField(field, values[0])
		}
	}
	part, err := parts.CreateFormFile(name, "picture")
	if err != nil {
		r.w.t.Fatal(err)
	}
	_, _ = part.Write(file)
	_ = parts.Close()
	to := r.absolute(attr(form, "action"))
	r.send(func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(r.w.t.Context(), http.MethodPost, to, bytes.NewReader(b.Bytes()))
		if err == nil {
			req.Header.Set("Content-Type", parts.FormDataContentType())
		}
		return req, err
	})
	return r
}

func (r *surfer) formOf(button string) (form, by *html.Node) {
	r.w.t.Helper()
	for _, f := range all(r.page, "form") {
		for _, b := range all(f, "button") {
			if strings.TrimSpace(words(b)) == button {
				return f, b
			}
		}
	}
	r.w.t.Fatalf("%s (%d) has no button %q:\n%s", r.at, r.status, button, r.text)
	return nil, nil
}

// filled is what a browser sends of a form that nobody has touched.
func filled(form *html.Node) url.Values {
	fields := url.Values{}
	for _, in := range all(form, "input") {
		name, kind := attr(in, "name"), attr(in, "type")
		if name == "" || kind == "file" || (kind == "checkbox" || kind == "radio") && !has(in, "checked") {
			continue
		}
		fields.Add(name, attr(in, "value"))
	}
	for _, in := range all(form, "textarea") {
		fields.Add(attr(in, "name"), words(in))
	}
	for _, in := range all(form, "select") {
		options := all(in, "option")
		chosen := slices.IndexFunc(options, func(o *html.Node) bool { return has(o, "selected") })
		if len(options) > 0 {
			fields.Add(attr(in, "name"), attr(options[max(chosen, 0)], "value"))
		}
	}
	return fields
}

func kindOf(form *html.Node, name string) string {
	for _, in := range all(form, "input") {
		if attr(in, "name") == name {
			return attr(in, "type")
		}
	}
	return ""
}

func all(n *html.Node, tag string) []*html.Node {
	var found []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == tag {
			found = append(found, d)
		}
	}
	return found
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// signsUp makes an account by the pages.
func (r *surfer) signsUp(name string) *surfer {
	r.w.t.Helper()
	return r.open("/o/sign-up").press("Sign up", "name", name, "email", strings.ToLower(name)+"@example.org", "password", "a long pass phrase of "+name)
}

func TestASurferFillsInForms(t *testing.T) {
	t.Parallel()
	page, err := html.Parse(strings.NewReader(`<form><input type=hidden name=a value=1><input type=checkbox name=b value=1 checked><input type=checkbox name=c value=1>
		<input type=radio name=d value=x><input type=radio name=d value=y checked><textarea name=e>&lt;i&gt;</textarea><select name=f><option value=1><option value=2 selected></select><input type=file name=g><button>Go</button></form>`))
	if err != nil {
		t.Fatal(err)
	}
	if got := filled(all(page, "form")[0]).Encode(); got != "a=1&b=1&d=y&e=%3Ci%3E&f=2" {
		t.Errorf("it sends %s", fmt.Sprint(got))
	}
}
