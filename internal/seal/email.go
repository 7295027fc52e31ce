package seal

import (
	"errors"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// MaxEmail is the longest address in bytes (RFC 5321, 4.5.3.1.3, less the brackets).
const MaxEmail = 254

var errEmail = errors.New("not an e-mail address")

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
	address := norm.NFC.String(parsed.Address)
	at := strings.LastIndexByte(address, '@')
	local, domain := address[:at], address[at+1:]
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(ascii, ".") || len(local) > 64 {
		return "", errEmail
	}
	return strings.ToLower(local) + "@" + strings.ToLower(ascii), nil
}
