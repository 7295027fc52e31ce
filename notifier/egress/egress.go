// Package egress makes HTTP clients for addresses that strangers chose: the
// receivers of webhooks, the push services of guests' browsers.
package egress

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
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
	a := ap.Addr().Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierNAT.Contains(a) {
		return ErrPrivate
	}
	return nil
}

// carrierNAT is RFC 6598: shared address space, where cloud metadata lives too.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// CheckURL says what is wrong with a URL; nil: nothing.
func CheckURL(text string, private bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("wants a URL like https://example.org/hook")
	case u.Scheme != "https" && !(private && u.Scheme == "http"):
		return errors.New("wants https")
	case !private && literalPrivate(u):
		return ErrPrivate
	default:
		return nil
	}
}

// literalPrivate tells at once what a connection would find out: the host is
// an address, and none of the public network.
func literalPrivate(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && public(netip.AddrPortFrom(a, 443).String()) != nil
}
