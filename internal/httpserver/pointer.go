package httpserver

import (
	"bytes"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// typeWord names the wanted type in JSON's words.
func typeWord(t reflect.Type) string {
	if t == nil {
		return "another type"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWord(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number in range"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return "another type"
	}
}

// valueWord names what came.
func valueWord(err *json.SemanticError) string {
	switch err.JSONKind {
	case jsontext.KindTrue, jsontext.KindFalse:
		return "true or false"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		if len(err.JSONValue) > 0 && len(err.JSONValue) <= longNumber {
			return "a number " + string(err.JSONValue)
		}
		return "a number"
	case jsontext.KindBeginArray, jsontext.KindEndArray:
		return "an array"
	case jsontext.KindBeginObject, jsontext.KindEndObject:
		return "an object"
	default:
		return "null"
	}
}

// longNumber is in digits: a longer one is not said again.
const longNumber = 40

// holdsNUL finds the escape \u0000, whose backslash is not itself escaped. A raw NUL is a syntax error in JSON.
func holdsNUL(body []byte) bool {
	for at := 0; ; {
		i := bytes.Index(body[at:], []byte(`\u0000`))
		if i < 0 {
			return false
		}
		backslashes := 0
		for j := at + i - 1; j >= 0 && body[j] == '\\'; j-- {
			backslashes++
		}
		if backslashes%2 == 0 {
			return true
		}
		at += i + 1
	}
}

// locate counts from 1; offset is of the byte that is wrong.
func locate(body []byte, offset int64) (line, column int) {
	before := body[:min(int64(len(body)), max(offset, 0))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
