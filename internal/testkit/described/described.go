// Package described holds what a test sends and gets against the API's
// description, docs/openapi/openapi.yaml.
package described

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/goccy/go-yaml"

	"github.com/turnout-events/turnout/docs/openapi"
)

// Transport passes requests on. It fails the test when an accepted request is
// not as described, or when an answer is not: its status, media type, headers
// or body, down to members that the description does not know.
func Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	router, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{t: t, next: next, router: router}
}

type transport struct {
	t      testing.TB
	next   http.RoundTripper
	router routers.Router
}

func (d *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := d.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := d.check(req, sent, res); err != nil {
		d.t.Errorf("%s %s answered %s, which is not as docs/openapi/openapi.yaml has it: %v", req.Method, req.URL.Path, res.Status, err)
	}
	return res, nil
}

func (d *transport) check(req *http.Request, sent []byte, res *http.Response) error {
	asked := req.Clone(req.Context())
	if asked.Method == http.MethodHead {
		asked.Method = http.MethodGet
	}
	asked.Body = io.NopCloser(bytes.NewReader(sent))
	route, params, err := d.router.FindRoute(asked)
	if err != nil {
		// Pages for people are not described; of the API everything is.
		if strings.HasPrefix(req.URL.Path, "/v1/") && res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			return err
		}
		return nil
	}
	in := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
			ExcludeResponseBody: req.Method == http.MethodHead || res.StatusCode == http.StatusNotModified || endless(res),
		},
	}
	if len(sent) == 0 {
		asked.Header.Del("Content-Type") // a client that always sets it
	}
	if res.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil {
			return fmt.Errorf("the request: %w", err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: in.Options}
	if endless(res) {
		return openapi3filter.ValidateResponse(req.Context(), out.SetBodyBytes(nil))
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(got))
	return openapi3filter.ValidateResponse(req.Context(), out.SetBodyBytes(got))
}

func endless(res *http.Response) bool {
	return strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
}

// described reads the description once per process: it takes a while.
var described = sync.OnceValues(func() (routers.Router, error) {
	doc, err := Load()
	if err != nil {
		return nil, err
	}
	for _, media := range []string{
		"text/html", "text/calendar", "text/event-stream", "image/png", "image/jpeg", "image/webp", "image/svg+xml", "application/yaml",
	} {
		openapi3filter.RegisterBodyDecoder(media, asText)
	}
	openapi3filter.RegisterBodyDecoder("text/csv", asText) // kin would want a schema of rows
	return gorillamux.NewRouter(doc)
})

func asText(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
	b, err := io.ReadAll(body)
	return string(b), err
}

// Load reads the description as tests want it: answers have no members but
// those that it names. Clients are told to bear with new ones; a test is not.
func Load() (*openapi3.T, error) {
	var raw any
	if err := yaml.Unmarshal(openapi.Document, &raw); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	closeObjects(raw)
	b, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(b)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return doc, doc.Validate(loader.Context)
}

func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			closeObjects(item)
		}
	case map[string]any:
		_, isObject := v["properties"].(map[string]any)
		_, open := v["additionalProperties"]
		if _, typed := v["type"]; typed && isObject && !open && !isProblem(v) {
			v["additionalProperties"] = false
		}
		for _, item := range v {
			closeObjects(item)
		}
	}
}

// isProblem: some problems bring members of their own.
func isProblem(schema map[string]any) bool {
	members, _ := schema["properties"].(map[string]any)
	return members["request_id"] != nil
}
