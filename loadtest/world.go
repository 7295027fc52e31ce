package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/loadtest/baseline"
)

// world is a Turnout of the load's own, with its baselines: databases, topics, indices and keys that nobody else has.
type world struct {
	engines
	dir       string // logs, ledger, the built program
	binary    string
	namespace string
	database  string // of Turnout; the textbook's is database_textbook
	env       map[string]string
	db        *pgxpool.Pool // looks at Turnout's database
	textbook  *pgxpool.Pool // looks at the textbook's
	urls      [2]string     // of both
	children  []*child
	client    *client
	org       string
	ledger    *ledger
	sequence  int64 // the number of the next request: none repeats within a world
}

func newWorld(ctx context.Context, o options) (w *world, err error) {
	w = &world{namespace: "load" + strconv.FormatInt(time.Now().UnixMilli()%1e10, 36), ledger: &ledger{}}
	w.database = w.namespace
	if w.engines, err = findEngines(); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp("", "turnout-load-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close(ctx))
		}
	}()
	if w.binary = o.turnout; w.binary == "" {
		w.binary = filepath.Join(w.dir, "turnout")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", w.binary, "./cmd/turnout").CombinedOutput(); err != nil {
			return w, fmt.Errorf("build turnout: %w: %s", err, out)
		}
	}
	if err := w.databases(ctx); err != nil {
		return w, err
	}
	return w, w.environment(ctx)
}

func (w *world) databases(ctx context.Context) (err error) {
	for i, name := range []string{w.database, w.database + "_textbook"} {
		if w.urls[i], err = w.engines.database(ctx, name); err != nil {
			return err
		}
	}
	if w.db, err = pgxpool.New(ctx, w.urls[0]); err != nil {
		return err
	}
	if w.textbook, err = pgxpool.New(ctx, w.urls[1]); err != nil {
		return err
	}
	_, err = w.textbook.Exec(ctx, baseline.Schema)
	return err
}

// environment is the production default of every setting, but for what one machine in one minute must lift: the capacity
// of an event, and the limit per network address, which is counted all the same.
func (w *world) environment(ctx context.Context) error {
	roles := []string{"HTTP", "COMMAND", "QUERY", "NOTIFIER", "WEB_OPS", "COMMAND_OPS", "QUERY_OPS", "NOTIFIER_OPS", "PROJECTOR_OPS", "RELAY_OPS", "INBOX_SMTP"}
	ports, err := freePorts(ctx, len(roles))
	if err != nil {
		return err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	w.env = map[string]string{
		"TURNOUT_POSTGRES_URL": w.urls[0], "TURNOUT_KAFKA_BROKERS": w.kafka, "TURNOUT_ELASTIC_URL": w.elastic,
		"TURNOUT_REDIS_URL": w.redis, "TURNOUT_NAMESPACE": w.namespace,
		"TURNOUT_SECRETS":       "1:" + base64.StdEncoding.EncodeToString(secret),
		"TURNOUT_SERVICE_TOKEN": rand.Text(), "TURNOUT_OPS_TOKEN": rand.Text(),
		"TURNOUT_LIMIT_LOOPBACK": "100000000/1m", "TURNOUT_MAX_CAPACITY": "10000000",
		"TURNOUT_INBOX_DIR": filepath.Join(w.dir, "inbox"),
	}
	for i, role := range roles {
		w.env["TURNOUT_"+role+"_ADDR"] = ports[i]
		w.env["TURNOUT_"+role+"_URL"] = "http://" + ports[i]
	}
	w.env["TURNOUT_SMTP_ADDR"] = w.env["TURNOUT_INBOX_SMTP_ADDR"]
	w.env["TURNOUT_PUBLIC_URL"] = w.env["TURNOUT_HTTP_URL"]
	return nil
}

func (w *world) environ() []string {
	out := make([]string, 0, len(w.env))
	for k, v := range w.env {
		out = append(out, k+"="+v)
	}
	return out
}

// role starts a subcommand of turnout; its requests go to the command role's address.
func (w *world) role(ctx context.Context, name string) (*child, error) {
	ops := map[string]string{"command": "COMMAND", "serve": "COMMAND", "relay": "RELAY", "project": "PROJECTOR"}[name]
	c, err := start(ctx, w.dir, name, w.env["TURNOUT_COMMAND_ADDR"], w.env["TURNOUT_"+ops+"_OPS_URL"]+"/readyz", w.environ(), w.binary, name)
	if err == nil {
		w.children = append(w.children, c)
	}
	return c, err
}

// base starts a baseline.
func (w *world) base(ctx context.Context, name string, pool int) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	c, err := start(ctx, w.dir, name, ports[0], ports[0], nil, self, "baseline", name,
		"-addr", ports[0], "-postgres", w.urls[1], "-pool", strconv.Itoa(pool))
	if err == nil {
		w.children = append(w.children, c)
	}
	return c, err
}

// signUp makes the organizer whose events are loaded.
func (w *world) signUp(ctx context.Context, command *child) (err error) {
	if w.client, err = newClient("http://"+command.addr, 64); err != nil {
		return err
	}
	w.org, err = w.client.organizer(ctx)
	return err
}

// events makes n published events. The textbook gets the same ones.
func (w *world) events(ctx context.Context, n int, capacity *int, waitlist string) ([]string, error) {
	ids := make([]string, n)
	err := each(ctx, n, 16, func(ctx context.Context, i int) (err error) {
		ids[i], err = w.client.event(ctx, w.org, fmt.Sprintf("Load %s %d", rand.Text()[:8], i), capacity, waitlist)
		return err
	})
	if err != nil {
		return nil, err
	}
	_, err = w.textbook.Exec(ctx, `INSERT INTO event (id, capacity) SELECT unnest($1::uuid[]), $2::int`, ids, capacity)
	return ids, err
}

// block gives every block of the textbook an event of its own without asking Turnout.
func (w *world) textbookEvent(ctx context.Context) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	_, err = w.textbook.Exec(ctx, `INSERT INTO event (id) VALUES ($1)`, id.String())
	return id.String(), err
}

// checkpoint keeps one from falling into the block of one side only.
func (w *world) checkpoint(ctx context.Context) error {
	_, err := w.db.Exec(ctx, "CHECKPOINT")
	return err
}

// close ends what still runs and takes everything away, also after an interrupt.
func (w *world) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for i := len(w.children) - 1; i >= 0; i-- {
		_ = w.children[i].stop() // an error in here was reported, or an interrupt's
	}
	for _, p := range []*pgxpool.Pool{w.db, w.textbook} {
		if p != nil {
			p.Close()
		}
	}
	err := w.remove(ctx, w.namespace, []string{w.database, w.database + "_textbook"})
	return errors.Join(err, os.RemoveAll(w.dir))
}

// settings that decide what a commit costs, for the report.
func (w *world) durability(ctx context.Context) (string, error) {
	var out []string
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "server_version"} {
		var v string
		if err := w.db.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&v); err != nil {
			return "", err
		}
		out = append(out, name+"="+v)
	}
	return strings.Join(out, " "), nil
}
