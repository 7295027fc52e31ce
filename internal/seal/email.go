package seal

import (
	"errors"
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// MaxEmail is the longest address in bytes (RFC 5321, 4.5.3.1.3, less the brackets).
const MaxEmail = 254

var errEmail = errors.New("not an e-mail address")

// turnsASCII is for the letters of other scripts that the normal form makes into ASCII, like the Kelvin sign: mail goes to
// the address as typed, which is another mailbox than the one it would be known by.
func turnsASCII(r rune) bool {
	if r < utf8.RuneSelf {
		return false
	}
	for _, n := range strings.ToLower(norm.NFC.String(string(r))) {
		if n < utf8.RuneSelf {
			return true
		}
	}
	return false
}

// NormalizeEmail gives the form of an address by which it is known: NFC, lower
// case, the domain as IDNA A-labels. Dots and plus tags stay: they are other
// mailboxes for most providers. Mail goes to the address as typed. A local part
// in quotes ("a b"@example.org, RFC 5322) is no address here: next to nobody has
// one, few servers take it, and unquoted it breaks the commands of SMTP.
func NormalizeEmail(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	if len(typed) > MaxEmail || strings.ContainsAny(typed, "\r\n\x00<>\"\\()") {
		return "", errEmail
	}
	parsed, err := mail.ParseAddress(typed)
	if err != nil || parsed.Name != "" {
		return "", errEmail
	}
	at := strings.LastIndexByte(parsed.Address, '@')
	local, domain := norm.NFC.String(parsed.Address[:at]), norm.NFC.String(parsed.Address[at+1:])
	if strings.ContainsFunc(parsed.Address[:at], turnsASCII) {
		return "", errEmail
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(ascii, ".") || len(local) > 64 {
		return "", errEmail
	}
	return strings.ToLower(local) + "@" + strings.ToLower(ascii), nil
}
