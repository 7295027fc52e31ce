package httpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
)

var (
	errMalformed   = fault.New(fault.Invalid, "malformed-json", "The body is not one JSON value")
	errTooLarge    = fault.New(fault.TooLarge, "body-too-large", "The body is too large")
	errContentType = fault.New(fault.Unsupported, "unsupported-content-type", "The body must be JSON")
)

// bodyWithin is how long a client may take to send a body: 1 MiB over a bad line.
const bodyWithin = 30 * time.Second

// ReadBody reads the whole body within its limit (beyond it the fault is body-too-large) and within 30 s.
func ReadBody(c *gin.Context) ([]byte, error) {
	conn := http.NewResponseController(c.Writer)
	_ = conn.SetReadDeadline(time.Now().Add(bodyWithin)) // not supported by a recorder in tests
	body, err := io.ReadAll(c.Request.Body)
	_ = conn.SetReadDeadline(time.Time{})
	if err == nil {
		return body, nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, errTooLarge.Detailf("At most %d bytes.", large.Limit)
	}
	return nil, errMalformed.Detailf("The body ended too early.").Because(err)
}

// DecodeJSON reads the body into v, strictly: application/json (or +json), one value, no unknown field, no wrong
// type; the fault points at the field. An empty body is an error.
func DecodeJSON(c *gin.Context, v any) error {
	body, err := ReadBody(c)
	if err != nil {
		return err
	}
	return DecodeBody(c, body, v)
}

// DecodeBody is DecodeJSON for a body that was read already with ReadBody.
func DecodeBody(c *gin.Context, body []byte, v any) error {
	if err := checkContentType(c.GetHeader("Content-Type")); err != nil {
		return err
	}
	return Strict(body, v)
}

// Strict is DecodeJSON for bytes that were read already.
func Strict(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errMalformed.Detailf("The body is empty.")
	}
	if string(bytes.TrimSpace(body)) == "null" { // Decode would leave v as it is
		return fault.ErrInvalid.Detailf("The body is null, wants an object.")
	}
	if !utf8.Valid(body) {
		return errMalformed.Detailf("The body is not UTF-8.") // encoding/json would replace what it cannot read
	}
	if holdsNUL(body) {
		return fault.ErrInvalid.Detailf("A text holds a NUL character.") // which no store of text takes
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return explainJSON(body, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errMalformed.Detailf("There is more after the JSON value, at byte %d.", d.InputOffset())
	}
	return nil
}

func checkContentType(header string) error {
	if header == "application/json" { // nearly always: parsing costs ten times as much
		return nil
	}
	media, params, err := mime.ParseMediaType(header)
	if err != nil || (media != "application/json" && !strings.HasSuffix(media, "+json")) {
		return errContentType.Detailf("Content-Type is %q, wants application/json.", header)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return errContentType.Detailf("Charset %q; JSON is UTF-8 (RFC 8259).", charset)
	}
	return nil
}

// explainJSON makes a fault of encoding/json's error.
func explainJSON(body []byte, err error) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line, column := locate(body, syntax.Offset)
		return errMalformed.Detailf("%s at line %d, column %d.", syntax.Error(), line, column)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errMalformed.Detailf("The JSON value ends too early.")
	case errors.As(err, &wrong):
		pointer := "/" + strings.ReplaceAll(wrong.Field, ".", "/")
		if wrong.Field == "" {
			pointer = ""
		}
		return fault.ErrInvalid.About(fault.Field{Pointer: pointer, Detail: fmt.Sprintf("is %s, wants %s", valueWord(wrong.Value), typeWord(wrong))})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return fault.ErrInvalid.About(fault.Field{Pointer: pointerTo(body, name), Detail: "unknown field"})
	}
	// An UnmarshalJSON or UnmarshalText of the target: its words are meant for the client.
	return fault.ErrInvalid.Detailf("%s", strings.TrimPrefix(err.Error(), "json: ")).Because(err)
}
