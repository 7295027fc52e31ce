package mail

import (
	"crypto/hmac"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// maxBounceName keeps the local part of BounceAddress within the 64 bytes of
// RFC 5321, 4.5.3.1.1.
const maxBounceName = 14

// BounceAddress is the address that bounces of one notice go to (VERP):
// bounces+<id>-<code>@domain. A notice's id is no secret: members see it, and
// who knows the RSVP's can compute it. The code is, so that only mail systems
// that had the mail in hand can return it.
func (l *Links) BounceAddress(bounces, noticeID string) string {
	at := strings.LastIndexByte(bounces, '@')
	return bounces[:at] + "+" + noticeID + "-" + bounceCode(l.keys[0], noticeID) + bounces[at:]
}

var bounceTag = regexp.MustCompile(`\+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9a-f]{12})@`)

// Returned reads an address of BounceAddress, which mail systems may have put
// into upper case; empty: it is none.
func (l *Links) Returned(address string) (noticeID string) {
	found := bounceTag.FindStringSubmatch(strings.ToLower(address))
	if found == nil {
		return ""
	}
	for _, key := range l.keys {
		if hmac.Equal([]byte(found[2]), []byte(bounceCode(key, found[1]))) {
			return found[1]
		}
	}
	return ""
}

func bounceCode(key []byte, noticeID string) string {
	id := uuid.MustParse(noticeID)
	return hex.EncodeToString(mac(key, "bounce", id[:])[:6])
}
