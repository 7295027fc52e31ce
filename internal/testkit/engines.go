// Package testkit gives tests real engines, a place of their own in them, and waiting without sleeping. Only tests import
// it (layers_test.go sees to that).
package testkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Addresses says where the tests' engines are.
type Addresses struct {
	Postgres string   // URL of the administrator's database; tests take one of their own with Database
	Kafka    []string // brokers, host:port
	Elastic  string   // http://host:port
	Redis    string   // redis://host:port/0
}

// Engines returns the addresses of the running engines: TURNOUT_TEST_POSTGRES_URL, _KAFKA_BROKERS, _ELASTIC_URL and
// _REDIS_URL, or else what `make test-engines` wrote to .local/test/engines.env. A test that calls it is skipped in a short
// run, and only there: without engines a full run fails.
func Engines(t testing.TB) Addresses {
	t.Helper()
	if testing.Short() {
		t.Skip("short: needs engines")
	}
	a, err := addresses(os.Getenv)
	if err == nil {
		err = a.answer(t.Context())
	}
	if err != nil {
		t.Fatalf("testkit: %v: run `make test-engines`", err)
	}
	return a
}

// addresses takes each address from the environment, else from engines.env.
func addresses(getenv func(string) string) (Addresses, error) {
	file, fileErr := readEnv(getenv("TURNOUT_TEST_LOCAL_DIR"))
	var missing []string
	get := func(name string) string {
		if v := getenv("TURNOUT_TEST_" + name); v != "" {
			return v
		}
		v := file["TURNOUT_"+name]
		if v == "" {
			missing = append(missing, name)
		}
		return v
	}
	a := Addresses{
		Postgres: get("POSTGRES_URL"),
		Kafka:    strings.Split(get("KAFKA_BROKERS"), ","),
		Elastic:  strings.TrimRight(get("ELASTIC_URL"), "/"),
		Redis:    get("REDIS_URL"),
	}
	if len(missing) > 0 {
		return a, errors.Join(fmt.Errorf("no address for %s", strings.Join(missing, ", ")), fileErr)
	}
	return a, nil
}

// answer checks that something listens at every address: a clear word here spares a test full of time-outs.
func (a Addresses) answer(ctx context.Context) error {
	hosts := map[string]string{"Kafka": a.Kafka[0]}
	for name, raw := range map[string]string{"Postgres": a.Postgres, "Elasticsearch": a.Elastic, "Redis": a.Redis} {
		u, err := url.Parse(raw)
		if err != nil {
			return fmt.Errorf("address of %s: %w", name, err)
		}
		hosts[name] = u.Host
	}
	dialer := net.Dialer{Timeout: 30 * time.Second} // who does not listen says so at once
	for name, host := range hosts {
		conn, err := dialer.DialContext(ctx, "tcp", host)
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", name, err)
		}
		if err := conn.Close(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readEnv reads engines.env from dir (TURNOUT_TEST_LOCAL_DIR; default .local/test, below the directory of go.mod).
func readEnv(dir string) (map[string]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		dir = filepath.Join(".local", "test")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, "engines.env"))
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	return env, nil
}

// Root returns the directory of go.mod above the working directory: a test runs in its package's folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}
