package httpapi

import (
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/turnout-events/turnout/query/reader"
)

// etagOf is a validator of the bytes themselves, the same in every process. It
// keeps nobody out, so a quick hash will do: SHA-256 of a page was a quarter of
// what an answer from memory cost.
func etagOf(body []byte) string {
	tag := make([]byte, 0, 32)
	tag = append(tag, '"')
	tag = strconv.AppendUint(tag, xxhash.Sum64(body), 36)
	tag = append(tag, '-')
	tag = strconv.AppendInt(tag, int64(len(body)), 36)
	return string(append(tag, '"'))
}

func answerOf(body []byte) reader.Answer { return reader.Answer{Body: body, ETag: etagOf(body)} }

// matches is If-None-Match (RFC 9110, 13.1.2), which compares weakly.
func matches(header, etag string) bool {
	if header == "" {
		return false
	}
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}
