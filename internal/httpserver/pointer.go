package httpserver

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// typeWord names the wanted type in JSON's words.
func typeWord(err *json.UnmarshalTypeError) string {
	if err.Type == nil {
		return "another type"
	}
	switch err.Type.Kind() {
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

// valueWord names what came; encoding/json says "string", "number 1.5", "bool", "array" or "object".
func valueWord(value string) string {
	switch {
	case value == "bool":
		return "true or false"
	case value == "array" || value == "object":
		return "an " + value
	default:
		return "a " + value
	}
}

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

func locate(body []byte, offset int64) (line, column int) {
	before := body[:min(int64(len(body)), max(offset-1, 0))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// pointerTo finds the first member called name and gives its RFC 6901 pointer: encoding/json names an unknown field
// but not where it is. The same name may be known further up; a guess at the first is still a help.
func pointerTo(body []byte, name string) string {
	d := json.NewDecoder(bytes.NewReader(body))
	if pointer, ok := find(d, "", name); ok {
		return pointer
	}
	return "/" + escape(name)
}

func find(d *json.Decoder, at, name string) (string, bool) {
	token, err := d.Token()
	if err != nil {
		return "", false
	}
	open, ok := token.(json.Delim)
	if !ok {
		return "", false
	}
	for i := 0; d.More(); i++ {
		child := at + "/" + strconv.Itoa(i)
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return "", false
			}
			text, _ := key.(string)
			child = at + "/" + escape(text)
			if text == name {
				return child, true
			}
		}
		if pointer, ok := find(d, child, name); ok {
			return pointer, true
		}
	}
	_, _ = d.Token() // the closing delimiter
	return "", false
}

func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
