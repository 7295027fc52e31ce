package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// engines are where the load's Turnout keeps everything: TURNOUT_POSTGRES_URL and the others, or else the tests' own
// engines (`make test-engines`). The load uses names of its own in them, and takes them away again.
type engines struct {
	postgres, kafka, elastic, redis string
}

func findEngines() (engines, error) {
	file := map[string]string{}
	path := filepath.Join(".local", "test", "engines.env")
	if b, err := os.ReadFile(path); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") {
				file[k] = v
			}
		}
	}
	var missing []string
	get := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			v = file[name]
		}
		if v == "" {
			missing = append(missing, name)
		}
		return v
	}
	e := engines{
		postgres: get("TURNOUT_POSTGRES_URL"), kafka: get("TURNOUT_KAFKA_BROKERS"),
		elastic: strings.TrimSuffix(get("TURNOUT_ELASTIC_URL"), "/"), redis: get("TURNOUT_REDIS_URL"),
	}
	if len(missing) > 0 {
		return e, fmt.Errorf("no %s, and none in %s: run `make test-engines`", strings.Join(missing, ", "), path)
	}
	for _, raw := range []string{e.postgres, e.elastic, e.redis} {
		if err := loopback(raw); err != nil {
			return e, err
		}
	}
	return e, nil
}

// database makes one and gives its URL.
func (e engines) database(ctx context.Context, name string) (string, error) {
	if err := e.execute(ctx, e.postgres, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	u, err := url.Parse(e.postgres)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

func (e engines) execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// remove takes away everything that has the namespace in its name, and the databases.
func (e engines) remove(ctx context.Context, namespace string, databases []string) error {
	var errs []error
	for _, name := range databases {
		errs = append(errs, e.execute(ctx, e.postgres, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"))
	}
	return errors.Join(append(errs, e.removeTopics(namespace), e.removeIndices(ctx, namespace), e.removeKeys(ctx, namespace))...)
}

func (e engines) removeTopics(namespace string) error {
	admin, err := sarama.NewClusterAdmin(strings.Split(e.kafka, ","), sarama.NewConfig())
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	topics, err := admin.ListTopics()
	if err != nil {
		return err
	}
	var errs []error
	for name := range topics {
		if strings.HasPrefix(name, namespace+".") {
			errs = append(errs, admin.DeleteTopic(name))
		}
	}
	groups, err := admin.ListConsumerGroups()
	for name := range groups {
		if strings.HasPrefix(name, namespace+".") {
			errs = append(errs, admin.DeleteConsumerGroup(name))
		}
	}
	return errors.Join(append(errs, err)...)
}

func (e engines) removeIndices(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// By their names: a cluster may forbid to delete by pattern.
	names, err := e.ask(ctx, http.MethodGet, "/_cat/indices/"+namespace+"-*?h=index")
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range strings.Fields(names) {
		_, err := e.ask(ctx, http.MethodDelete, "/"+name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (e engines) ask(ctx context.Context, method, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.elastic+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	b, err := readAll(res)
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	return string(b), err
}

func (e engines) removeKeys(ctx context.Context, namespace string) error {
	o, err := redis.ParseURL(e.redis)
	if err != nil {
		return err
	}
	client := redis.NewClient(o)
	defer func() { _ = client.Close() }()
	keys := client.Scan(ctx, 0, namespace+":*", 1000).Iterator()
	var some []string
	for keys.Next(ctx) {
		if some = append(some, keys.Val()); len(some) == 1000 {
			if err := client.Unlink(ctx, some...).Err(); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	if len(some) > 0 {
		err = client.Unlink(ctx, some...).Err()
	}
	return errors.Join(err, keys.Err())
}
