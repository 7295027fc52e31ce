package elastic

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// encode gives a request's body. What a search is made of is written by hand: for a tree of maps encoding/json, which
// asks for every type and sorts every map, took an eighth of what a search costs.
func encode(v any) ([]byte, error) {
	if out, ok := appendJSON(make([]byte, 0, 2<<10), v); ok {
		return out, nil
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode search: %w", err)
	}
	return out, nil
}

// appendJSON is false for a value it does not know, or that JSON has no words for.
func appendJSON(out []byte, v any) ([]byte, bool) {
	ok := true
	switch v := v.(type) {
	case map[string]any:
		return appendObject(out, v)
	case []any:
		ok = v != nil
		out = append(out, '[')
		for i := 0; i < len(v) && ok; i++ {
			if i > 0 {
				out = append(out, ',')
			}
			out, ok = appendJSON(out, v[i])
		}
		out = append(out, ']')
	case []string:
		ok = v != nil
		out = append(out, '[')
		for i := 0; i < len(v) && ok; i++ {
			if i > 0 {
				out = append(out, ',')
			}
			out, ok = appendText(out, v[i])
		}
		out = append(out, ']')
	case string:
		return appendText(out, v)
	case json.RawMessage:
		ok = len(v) > 0
		out = append(out, v...)
	case int:
		out = strconv.AppendInt(out, int64(v), 10)
	case float64:
		ok = !math.IsNaN(v) && !math.IsInf(v, 0)
		out = strconv.AppendFloat(out, v, 'g', -1, 64)
	case bool:
		out = strconv.AppendBool(out, v)
	default:
		ok = false
	}
	return out, ok
}

func appendObject(out []byte, members map[string]any) (_ []byte, ok bool) {
	out = append(out, '{')
	first := true
	for name, v := range members {
		if !first {
			out = append(out, ',')
		}
		first = false
		if out, ok = appendText(out, name); !ok {
			return out, false
		}
		if out, ok = appendJSON(append(out, ':'), v); !ok {
			return out, false
		}
	}
	return append(out, '}'), true
}

func appendText(out []byte, s string) ([]byte, bool) {
	out, err := jsontext.AppendQuote(out, s)
	return out, err == nil
}
