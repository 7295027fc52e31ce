package egress_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/notifier/egress"
)

func TestWhatCanBeSeenFromAURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://example.org/hook", "https://hooks.example.org:8443/a?b=c", "https://93.184.216.34/", "https://[2606:2800:220:1::1]/"} {
		if err := egress.CheckURL(good, false); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"http://example.org/", "ftp://example.org", "https://", "https://:443/", "x", "https://u:p@example.org/", "https://example.org/#a",
		"https://localhost/", "https://LOCALHOST./", "https://db.localhost/", "https://printer.local/", "https://metadata.google.internal/", "https://intranet/",
		"https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://0.0.0.0/", "https://10.1.2.3/",
		"https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/", "https://100.100.100.200/", "https://192.0.0.192/",
		"https://198.18.0.1/", "https://255.255.255.255/", "https://224.0.0.1/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
		"https://[fe80::1]/", "https://[fd00:ec2::254]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
	} {
		if egress.CheckURL(bad, false) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if err := egress.CheckURL("http://127.0.0.1:9000/hook", true); err != nil {
		t.Errorf("development: %v", err)
	}
}

// A name that was public when the URL was registered, and leads inside when
// there is something to post: what counts is where the connection goes.
func TestANameThatLeadsInside(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(inside.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(private bool) error { // every resolver takes localhost for this machine
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost:"+port+"/", nil)
		if err != nil {
			return err
		}
		res, err := egress.Client(private, 5*time.Second).Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	if err := ask(false); !errors.Is(err, egress.ErrPrivate) || reached.Load() {
		t.Errorf("it was reached: %v", err)
	}
	if err := ask(true); err != nil || !reached.Load() {
		t.Errorf("development: %v", err)
	}
}
