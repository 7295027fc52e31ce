package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asMain, when set, makes this test binary the program itself.
const asMain = "TURNOUT_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A setting that cannot work ends the start with one line that names it, says
// what is wrong, and quotes no password.
func TestWhatKeepsTheProgramFromStartingIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	postgres, err := url.Parse(w.env["TURNOUT_POSTGRES_URL"])
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*url.URL)) string {
		u := *postgres
		change(&u)
		return u.String()
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	const password = "hunter-2-hunter"

	for _, c := range []struct{ name, setting, value, says string }{
		{"a wrong password", "TURNOUT_POSTGRES_URL", with(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), password) }), "wrong password"},
		{"no Postgres there", "TURNOUT_POSTGRES_URL", with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "connection refused"},
		{"no such host", "TURNOUT_POSTGRES_URL", with(func(u *url.URL) { u.Host = "postgres.invalid" }), "not found"},
		{"no such database", "TURNOUT_POSTGRES_URL", with(func(u *url.URL) { u.Path = "/nowhere" }), `"nowhere" does not exist`},
		{"no URL", "TURNOUT_POSTGRES_URL", "postgres://turnout:" + password + "@127.0.0.1:no/turnout", "not a connection string"},
		{"no secrets", "TURNOUT_SECRETS", "", "openssl rand"},
		{"secrets that are none", "TURNOUT_SECRETS", "1:c2hvcnQ=", "32"},
		{"no service token", "TURNOUT_SERVICE_TOKEN", "", "not set"},
		{"the origin's port in use", "TURNOUT_HTTP_ADDR", taken.Addr().String(), "port in use"},
		{"a role's port in use", "TURNOUT_QUERY_ADDR", taken.Addr().String(), "port in use"},
		{"an operator's port in use", "TURNOUT_RELAY_OPS_ADDR", taken.Addr().String(), "port in use"},
		{"an address of somebody else", "TURNOUT_COMMAND_ADDR", "192.0.2.1:8081", "cannot listen"},
		{"Redis is no URL", "TURNOUT_REDIS_URL", "127.0.0.1:6379", "redis://"},
		{"Elasticsearch is no URL", "TURNOUT_ELASTIC_URL", "127.0.0.1:9200", "http://"},
		{"no brokers", "TURNOUT_KAFKA_BROKERS", "kafka", "host:port"},
		{"a namespace that is none", "TURNOUT_NAMESPACE", "Two Words", "TURNOUT_NAMESPACE"},
		{"no duration", "TURNOUT_NOTIFIER_TICK", "soon", "TURNOUT_NOTIFIER_TICK"},
		{"no number", "TURNOUT_MAX_CAPACITY", "many", "TURNOUT_MAX_CAPACITY"},
		{"a number that cannot be", "TURNOUT_PROJECTOR_MAX_BATCH", "0", "1 to 10000"},
		{"no level", "TURNOUT_LOG_LEVEL", "loud", "TURNOUT_LOG_LEVEL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "serve") // ourselves
			cmd.Env = append(append(os.Environ(), w.environ()...), asMain+"=1", c.setting+"="+c.value)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("ended with %v:\n%s", err, stderr.String())
			}
			var said []string // beside the log
			for line := range strings.Lines(stderr.String()) {
				if !strings.HasPrefix(line, "{") {
					said = append(said, line)
				}
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], "turnout serve: ") || !strings.Contains(said[0], c.setting) ||
				!strings.Contains(said[0], c.says) || len(said[0]) > 300 {
				t.Errorf("said %q, want one line with %s and %q", said, c.setting, c.says)
			}
			if strings.Contains(stderr.String(), password) {
				t.Errorf("the password is shown:\n%s", stderr.String())
			}
		})
	}
}
