package httpapi

import (
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/seal"
)

// A customer of IPv6 is one client, whatever address of theirs a request has.
func TestAClientOfIPv6IsItsNetwork(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "::ffff:192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::9%eth0": "2001:db8:1:2::/64", "2001:db8:1:3::9": "2001:db8:1:3::/64", "": "", "nonsense": "nonsense",
	} {
		if got := clientKey(ip); got != want {
			t.Errorf("%q is counted as %q, want %q", ip, got, want)
		}
	}
}

// Whatever is typed as an address costs no more room than one while failures of it are counted.
func TestWhatIsNoAddressIsCountedInLittleRoom(t *testing.T) {
	t.Parallel()
	if a, b := addressKey(" ADA@example.org"), addressKey("ada@Example.org"); a != b {
		t.Errorf("one address is counted as %q and as %q", a, b)
	}
	long := strings.Repeat("a", 250_000)
	if n := len(addressKey(long)); n > seal.MaxEmail {
		t.Errorf("%d bytes are kept of what is no address", n)
	}
	if addressKey(long) == addressKey(long+"b") {
		t.Error("who types one thing that is no address is refused for another")
	}
}
