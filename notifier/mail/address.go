package mail

import (
	"strings"

	"golang.org/x/net/idna"
)

// onWireAddress is the address with its domain as IDNA A-labels (RFC 5891), by
// which every server knows it. What is before the @ is the other side's.
func onWireAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if ascii(address[at+1:]) {
		return address // as typed
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// international tells whether only a server with SMTPUTF8 (RFC 6531) takes the letter.
func (l *Letter) international() bool { return !ascii(l.From) || !ascii(l.To) }

// noInternational is the outcome where the server is not one. It is of the server, not of the address.
const noInternational = "the mail server lacks SMTPUTF8, which the letters of this address need"
