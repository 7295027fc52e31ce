package rsvp

import (
	"strings"

	"github.com/gosimple/slug"
)

// slugOf makes an address of a title in any script, and ends it with suffix,
// so that equal titles do not meet.
func slugOf(title, suffix string) string {
	const longest = 60
	s := slug.Make(title)
	if len(s) > longest {
		s = s[:longest]
		if at := strings.LastIndexByte(s, '-'); at > longest/2 {
			s = s[:at]
		}
		s = strings.TrimRight(s, "-_")
	}
	if s == "" {
		s = "event"
	}
	return s + "-" + suffix
}
