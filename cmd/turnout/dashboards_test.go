package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/turnout-events/turnout/internal/testkit"
)

// A real Prometheus scrapes every role; then each expression of the dashboard
// must have a value, and each alert must evaluate without one: a renamed metric
// or a typing error in an expression shows here and not at night.
func TestDashboardAndAlertsOnARealPrometheus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	w.serveHere()
	w.organizer()
	event, _ := w.event("Watched", 30*24*time.Hour, nil)
	w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{
		"name": "Ada", "email": "ada@example.net", "response": "going", "party_size": 1,
	}, "Idempotency-Key", "ada", "Authorization", "")
	w.mail.arrived(t, "ada@example.net", "Watched")

	prometheus := w.prometheus(root)
	for title, expr := range dashboardExpressions(t, root) {
		testkit.Eventually(t, 2*time.Minute, time.Second, func() error {
			n, err := ask(w.http, prometheus, expr)
			if err == nil && n == 0 {
				err = fmt.Errorf("dashboard %q: %s has no value", title, expr)
			}
			return err
		})
	}
	for name, expr := range alertExpressions(t, root) {
		// A busy machine may be behind for a moment, or miss a scrape: that passes by, a wrong rule does not.
		testkit.Eventually(t, 2*time.Minute, time.Second, func() error {
			n, err := ask(w.http, prometheus, expr)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d firing series on a healthy system", n)
			}
			// The same expression without its threshold must know its metric.
			bare, known := threshold(expr), 1
			if err == nil && bare != expr {
				known, err = ask(w.http, prometheus, bare)
			}
			if err == nil && known == 0 {
				err = fmt.Errorf("it watches nothing: %s", bare)
			}
			if err != nil {
				err = fmt.Errorf("alert %s, %s: %w", name, expr, err)
			}
			return err
		})
	}
}

// When each alert fires is told in deploy/prometheus/alerts_test.yml.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	testkit.Engines(t) // promtool comes with the engines
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("promtool", "test", "rules", "alerts_test.yml")
	cmd.Dir = filepath.Join(root, "deploy", "prometheus")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// prometheus starts one that scrapes this world's roles; its address comes back.
func (w *world) prometheus(root string) string {
	t := w.t
	t.Helper()
	var targets []string
	for _, role := range []string{"WEB", "COMMAND", "QUERY", "NOTIFIER", "PROJECTOR", "RELAY"} {
		targets = append(targets, w.env["TURNOUT_"+role+"_OPS_ADDR"])
	}
	dir := t.TempDir()
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	// Roles ask Kafka when they are scraped, for up to four seconds.
	config := fmt.Sprintf("global: {scrape_interval: 5s, scrape_timeout: 5s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs: [{job_name: turnout, static_configs: [{targets: %s}]}]\n",
		filepath.Join(root, "deploy", "prometheus", "alerts.yml"), list)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := testkit.LowAddrs(t, testkit.RolePorts, 1)[0]
	cmd := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	// A file: what it says is read while it still writes.
	log, err := os.Create(filepath.Join(dir, "prometheus.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatalf("prometheus (Debian's package) does not start: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	testkit.Eventually(t, 2*time.Minute, 200*time.Millisecond, func() error {
		n, err := ask(w.http, "http://"+addr, "count(up == 1)")
		if err == nil && n == 0 {
			says, _ := os.ReadFile(log.Name())
			err = fmt.Errorf("nothing is scraped yet; prometheus says:\n%s", says)
		}
		return err
	})
	return "http://" + addr
}

// ask runs an instant query and counts the series of its answer.
func ask(client *http.Client, prometheus, expr string) (int, error) {
	res, err := client.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	var body struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return 0, err
	}
	if body.Status != "success" {
		return 0, fmt.Errorf("%s: %s", expr, body.Error)
	}
	return len(body.Data.Result), nil
}

func dashboardExpressions(t *testing.T, root string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "deploy", "grafana", "lag.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	exprs := map[string]string{}
	for _, p := range dashboard.Panels {
		for i, target := range p.Targets {
			exprs[fmt.Sprintf("%s %d", p.Title, i)] = target.Expr
		}
	}
	if len(exprs) == 0 {
		t.Fatal("the dashboard has no expression")
	}
	return exprs
}

func alertExpressions(t *testing.T, root string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	exprs := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			exprs[r.Alert] = r.Expr
		}
	}
	if len(exprs) == 0 {
		t.Fatal("there is no alert")
	}
	return exprs
}

// threshold cuts the comparison off an alert's expression.
func threshold(expr string) string {
	for _, op := range []string{" > ", " == ", " < "} {
		if before, _, found := strings.Cut(expr, op); found {
			return before
		}
	}
	return expr
}
