package testkit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/redis/go-redis/v9"
)

// Namespace returns a name for this test alone (a letter and 12 hexadecimal digits, so that it may begin a topic, an index
// and a key). At the test's end the topics and consumer groups `<name>.*`, the indices `<name>-*` and the Redis keys
// `<name>:*` are removed; call it before starting what writes to them, because cleanups run last in, first out.
func Namespace(t testing.TB) string {
	t.Helper()
	engines := Engines(t)
	ns := randomName()
	t.Cleanup(func() {
		ctx, cancel := afterTest(t)
		defer cancel()
		for store, clean := range map[string]func(context.Context, Addresses, string) error{
			"Kafka": cleanKafka, "Elasticsearch": cleanElastic, "Redis": cleanRedis,
		} {
			// Logged only: a test that stops an engine on purpose must not fail for what it leaves behind.
			if err := clean(ctx, engines, ns); err != nil {
				t.Logf("testkit: clean %s of %s: %v", store, ns, err)
			}
		}
	})
	return ns
}

func randomName() string {
	var b [6]byte
	rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return "t" + hex.EncodeToString(b[:])
}

func cleanKafka(_ context.Context, a Addresses, ns string) (err error) {
	admin, err := sarama.NewClusterAdmin(a.Kafka, kafkaConfig())
	if err != nil {
		return err
	}
	defer func() {
		if e := admin.Close(); err == nil {
			err = e
		}
	}()
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	for group := range groups {
		if strings.HasPrefix(group, ns+".") {
			if err := admin.DeleteConsumerGroup(group); err != nil {
				return fmt.Errorf("delete group %s: %w", group, err)
			}
		}
	}
	topics, err := admin.ListTopics()
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for topic := range topics {
		if strings.HasPrefix(topic, ns+".") {
			if err := admin.DeleteTopic(topic); err != nil {
				return fmt.Errorf("delete topic %s: %w", topic, err)
			}
		}
	}
	return nil
}

// kafkaConfig has patience with a broker that makes and deletes the topics of many tests.
func kafkaConfig() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V3_6_0_0
	cfg.ApiVersionsRequest = true
	cfg.Admin.Timeout = 30 * time.Second
	return cfg
}

func cleanElastic(ctx context.Context, a Addresses, ns string) error {
	body, err := elasticCall(ctx, http.MethodGet, a.Elastic+"/_cat/indices/"+ns+"-*?h=index&expand_wildcards=all")
	if err != nil {
		return err
	}
	// One by one and by name: Elasticsearch 8 refuses to delete by wildcard.
	for index := range strings.FieldsSeq(body) {
		if _, err := elasticCall(ctx, http.MethodDelete, a.Elastic+"/"+index); err != nil {
			return err
		}
	}
	return nil
}

func elasticCall(ctx context.Context, method, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	if e := res.Body.Close(); err == nil {
		err = e
	}
	if err == nil && res.StatusCode/100 != 2 && res.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s %s: %s: %s", method, url, res.Status, body)
	}
	return string(body), err
}

func cleanRedis(ctx context.Context, a Addresses, ns string) (err error) {
	opts, err := redis.ParseURL(a.Redis)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer func() {
		if e := client.Close(); err == nil {
			err = e
		}
	}()
	keys := client.Scan(ctx, 0, ns+":*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := client.Del(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return keys.Err()
}
