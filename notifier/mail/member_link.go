package mail

import (
	"crypto/hmac"
	"encoding/base64"
	"slices"

	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/notice"
)

// MemberOff derives the token of the link that stops one kind of mail to a
// member of an organization: both ids, the kind's place in
// notice.MemberKinds, HMAC. Like Unsubscribe it does not expire.
func (l *Links) MemberOff(organizationID, accountID string, kind notice.Kind) string {
	org, account := uuid.MustParse(organizationID), uuid.MustParse(accountID)
	raw := append(append(org[:], account[:]...), byte(slices.Index(notice.MemberKinds, kind)))
	return base64.RawURLEncoding.EncodeToString(append(raw, mac(l.keys[0], "member-off", raw)...))
}

const memberOffSize = 16 + 16 + 1

// Member reads such a token.
func (l *Links) Member(s string) (organizationID, accountID string, kind notice.Kind, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != memberOffSize+macSize {
		return "", "", "", token.ErrToken
	}
	body, given := raw[:memberOffSize], raw[memberOffSize:]
	for _, key := range l.keys {
		if hmac.Equal(given, mac(key, "member-off", body)) && int(body[32]) < len(notice.MemberKinds) {
			return uuid.UUID(body[:16]).String(), uuid.UUID(body[16:32]).String(), notice.MemberKinds[body[32]], nil
		}
	}
	return "", "", "", token.ErrToken
}
