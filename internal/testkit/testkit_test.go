package testkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func TestDatabasesAreEmptyApartAndDropped(t *testing.T) {
	t.Parallel()
	admin := Engines(t).Postgres
	var name string
	t.Run("inner", func(t *testing.T) {
		url := Database(t, func(ctx context.Context, url string) error {
			return execute(ctx, url, "CREATE TABLE only_here (id int)")
		})
		if url == Database(t) {
			t.Fatal("two calls gave one database")
		}
		name = url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
		if err := execute(t.Context(), url, "INSERT INTO only_here VALUES (1)"); err != nil {
			t.Fatal(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is over
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Fatalf("database %s is still there", name)
	}
}

func TestNamespaceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	a := Engines(t)
	admin, err := sarama.NewClusterAdmin(a.Kafka, kafkaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close() //nolint:errcheck // the test is over
	opts, err := redis.ParseURL(a.Redis)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer client.Close() //nolint:errcheck // the test is over

	var ns string
	t.Run("inner", func(t *testing.T) {
		ns = Namespace(t)
		if err := admin.CreateTopic(ns+".registrations", &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false); err != nil {
			t.Fatal(err)
		}
		if err := client.Set(t.Context(), ns+":avail:1", "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := elasticCall(t.Context(), "PUT", a.Elastic+"/"+ns+"-listing-000001"); err != nil {
			t.Fatal(err)
		}
	})

	Eventually(t, 10*time.Second, 50*time.Millisecond, func() error {
		topics, err := admin.ListTopics()
		if err != nil {
			return err
		}
		if _, there := topics[ns+".registrations"]; there {
			return errors.New("the topic is still there")
		}
		return nil
	})
	if n, err := client.Exists(t.Context(), ns+":avail:1").Result(); n != 0 || err != nil {
		t.Fatalf("keys left: %d, %v", n, err)
	}
	if body, err := elasticCall(t.Context(), "GET", a.Elastic+"/_cat/indices/"+ns+"-*?h=index"); body != "" || err != nil {
		t.Fatalf("indices left: %q, %v", body, err)
	}
}

func TestEventuallyReportsTheLastError(t *testing.T) {
	t.Parallel()
	probe := &fakeTB{TB: t}
	func() {
		defer func() { _ = recover() }()
		eventually(probe, 20*time.Millisecond, time.Millisecond, func() error { return errors.New("still dark") })
	}()
	if !strings.Contains(probe.fatal, "still dark") {
		t.Fatalf("message %q does not carry the check's error", probe.fatal)
	}
	calls := 0
	Eventually(t, time.Second, time.Millisecond, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
}

// What came while nobody could look is there, however late it is.
func TestEventuallyLooksOnceMoreAtTheEnd(t *testing.T) {
	t.Parallel()
	looks := 0
	eventually(t, time.Millisecond, time.Hour, func() error {
		if looks++; looks == 1 {
			return errors.New("not yet")
		}
		return nil
	})
	if looks != 2 {
		t.Errorf("%d looks, want one at once and one at the end", looks)
	}
}

// A missing engine is never a skip and never a hang: it is an error that names the engine.
func TestAMissingEngineIsNamed(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"TURNOUT_TEST_LOCAL_DIR":     t.TempDir(),
		"TURNOUT_TEST_POSTGRES_URL":  "postgres://a@127.0.0.1:1/x",
		"TURNOUT_TEST_KAFKA_BROKERS": "127.0.0.1:1",
		"TURNOUT_TEST_REDIS_URL":     "redis://127.0.0.1:1/0",
	}
	getenv := func(name string) string { return env[name] }
	if _, err := addresses(getenv); err == nil || !strings.Contains(err.Error(), "ELASTIC_URL") {
		t.Fatalf("want an error that names ELASTIC_URL, got %v", err)
	}
	env["TURNOUT_TEST_ELASTIC_URL"] = "http://127.0.0.1:1"
	a, err := addresses(getenv)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.answer(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("want an error that says what does not answer, got %v", err)
	}
}

// fakeTB records Fatalf instead of ending the test.
type fakeTB struct {
	testing.TB
	fatal string
}

func (f *fakeTB) Helper() {}
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
	panic(f.fatal)
}
