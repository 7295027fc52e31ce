package httpserver

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/turnout-events/turnout/internal/fault"
)

var (
	errMalformed   = fault.New(fault.Invalid, "malformed-json", "The body is not one JSON value")
	errTooLarge    = fault.New(fault.TooLarge, "body-too-large", "The body is too large")
	errContentType = fault.New(fault.Unsupported, "unsupported-content-type", "The body must be JSON")
)

// ReadBody reads the whole body within its limit (beyond it the fault is body-too-large) and its time (Config.BodyWithin).
func ReadBody(c *gin.Context) ([]byte, error) {
	body, err := readAll(c.Request)
	if err == nil {
		return body, nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, errTooLarge.Detailf("At most %d bytes.", large.Limit)
	}
	return nil, errMalformed.Detailf("The body ended too early.").Because(err)
}

// atOnce is how much is made room for on a client's word alone.
const atOnce = 64 << 10

func readAll(r *http.Request) ([]byte, error) {
	if r.ContentLength <= 0 || r.ContentLength > atOnce {
		return io.ReadAll(r.Body)
	}
	body := make([]byte, r.ContentLength)
	n, err := io.ReadFull(r.Body, body)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return body[:n], err
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

// Strict is DecodeJSON for bytes that were read already. encoding/json takes "NAME" for name and the last of two members
// of one name, so what a proxy or a log read and what was decided here could differ; this decoder refuses both.
func Strict(body []byte, v any) error {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return errMalformed.Detailf("The body is empty.")
	}
	if string(trimmed) == "null" { // which would leave v empty
		return fault.ErrInvalid.Detailf("The body is null, wants an object.")
	}
	if holdsNUL(body) {
		return fault.ErrInvalid.Detailf("A text holds a NUL character.") // which no store of text takes
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return explainJSON(body, err)
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

// explainJSON makes a fault of the decoder's error.
func explainJSON(body []byte, err error) error {
	var syntax *jsontext.SyntacticError
	var wrong *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return fault.ErrInvalid.About(fault.Field{Pointer: string(syntax.JSONPointer), Detail: "is there twice"})
	case errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF):
		line, column := locate(body, syntax.ByteOffset)
		return errMalformed.Detailf("%v at line %d, column %d.", syntax.Err, line, column)
	case errors.As(err, &wrong):
		return fault.ErrInvalid.About(fault.Field{Pointer: string(wrong.JSONPointer), Detail: complaint(wrong)})
	}
	return errMalformed.Detailf("The JSON value ends too early.").Because(err)
}

// complaint is about the value at a pointer.
func complaint(wrong *json.SemanticError) string {
	switch {
	case errors.Is(wrong.Err, json.ErrUnknownName):
		return "unknown field"
	case wrong.Err == nil, errors.Is(wrong.Err, strconv.ErrRange), errors.Is(wrong.Err, strconv.ErrSyntax):
		return "is " + valueWord(wrong) + ", wants " + typeWord(wrong.GoType)
	}
	// An UnmarshalJSON or UnmarshalText of the target: its words are meant for the client.
	return wrong.Err.Error()
}
