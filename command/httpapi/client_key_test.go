package httpapi

import "testing"

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
