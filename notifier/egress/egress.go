// Package egress makes HTTP clients for addresses that strangers chose: the
// receivers of webhooks, the push services of guests' browsers.
package egress

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrPrivate means that a name led to an address within some private network.
var ErrPrivate = errors.New("the address is not a public one")

// Client refuses addresses within our own network unless private is set.
// timeout bounds one request with its answer.
func Client(private bool, timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if !private {
		// Checked after the name was resolved: a name that resolves to two
		// addresses, or to another one each time, gets nowhere else.
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return public(address) }
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true},
		// A redirect would carry the body to where nobody agreed to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func public(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrPrivate
	}
	a := ap.Addr().Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return ErrPrivate
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return ErrPrivate
		}
	}
	return nil
}

// notPublic are networks that look public and are not, from the registries of
// IANA for special purposes: the metadata services of clouds live in some, and
// an address within the translating ones leads to any other.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),   // RFC 6598, carriers' translation
	netip.MustParsePrefix("192.0.0.0/24"),    // RFC 6890
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),   // RFC 6052, IPv4 within
	netip.MustParsePrefix("64:ff9b:1::/48"), // RFC 8215
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4, IPv4 within
	netip.MustParsePrefix("fec0::/10"), // RFC 3879
}

// CheckURL says what is wrong with a URL; nil: nothing that can be seen without
// asking a name server. What a name leads to is checked with each connection.
func CheckURL(text string, private bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("wants a URL like https://example.org/hook")
	case u.Scheme != "https" && !(private && u.Scheme == "http"):
		return errors.New("wants https")
	case !private && !publicHost(u.Hostname()):
		return ErrPrivate
	default:
		return nil
	}
}

// publicHost tells at once what a connection would find out: an address that is
// not public, in whatever notation, or a name that only a private network has.
func publicHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return public(netip.AddrPortFrom(a, 443).String()) == nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || last == "" || last[0] >= '0' && last[0] <= '9' { // 2130706433, 127.1, 0x7f.0.0.1: no domain ends in a digit
		return false
	}
	for _, inside := range []string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "test", "invalid", "arpa"} {
		if last == inside {
			return false
		}
	}
	return true
}
