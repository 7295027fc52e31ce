package kafkabus

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/turnout-events/turnout/internal/testkit"
)

// slowFetch dials connections whose first fetch is sent only after a while, as if this process, or the broker, stood
// still. Whatever else they send goes at once.
type slowFetch struct {
	t     *testing.T
	after time.Duration
	once  sync.Once
	held  atomic.Bool
}

func (s *slowFetch) Dial(network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(s.t.Context(), network, addr)
	return &slowConn{Conn: conn, slow: s}, err
}

type slowConn struct {
	net.Conn
	slow *slowFetch
}

const fetchKey = 1 // of a request: its length (4 bytes), its key (2)

func (c *slowConn) Write(b []byte) (int, error) {
	if len(b) >= 6 && binary.BigEndian.Uint16(b[4:]) == fetchKey {
		c.slow.once.Do(func() {
			c.slow.held.Store(true)
			<-time.After(c.slow.after)
		})
	}
	return c.Conn.Write(b)
}

// ten writes ten messages to a topic of its own, as one transaction where that is asked for, and reads the topic.
func ten(t *testing.T, transaction string, dialer *slowFetch) (read int, next, end int64) {
	t.Helper()
	cfg := Config{Brokers: testkit.Engines(t).Kafka, Namespace: testkit.Namespace(t)}
	if err := EnsureTopics(t.Context(), cfg, []TopicSpec{{Name: "log", Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	sc, err := cfg.saramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	sc.Producer.Transaction.ID = transaction
	sc.Net.Proxy.Enable, sc.Net.Proxy.Dialer = true, dialer
	client, err := sarama.NewClient(cfg.Brokers, sc)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if producer.IsTransactional() {
		must(producer.BeginTxn())
	}
	topic := cfg.Topic("log")
	for range 10 {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x")})
		must(err)
	}
	want := int64(10)
	if producer.IsTransactional() {
		must(producer.CommitTxn())
		want++ // the record of it, which comes a little later
	}
	testkit.Eventually(t, time.Minute, 10*time.Millisecond, func() (err error) {
		if end, err = offsetAt(t.Context(), client, topic, 0, sarama.OffsetNewest); err == nil && end != want {
			err = fmt.Errorf("ends at %d, want %d", end, want)
		}
		return err
	})
	next, err = readPartition(t.Context(), client, topic, 0, 0, end, func(*sarama.ConsumerMessage) error { read++; return nil })
	must(err)
	return read, next, end
}

// Where the broker, or this process, hangs before the first message, the messages are read when it goes on.
func TestAReadEndsNotBeforeItsMessagesCame(t *testing.T) {
	t.Parallel()
	slow := &slowFetch{t: t, after: stall + time.Second}
	if read, next, _ := ten(t, "", slow); read != 10 || next != 10 || !slow.held.Load() {
		t.Errorf("read %d messages up to %d, fetch held up %t", read, next, slow.held.Load())
	}
}

// A partition may end with what is no message: the record that a transaction was committed.
func TestAReadEndsBehindTheLastMessage(t *testing.T) {
	t.Parallel()
	if read, next, end := ten(t, testkit.Namespace(t), &slowFetch{t: t}); read != 10 || next != 11 || end != 11 {
		t.Errorf("read %d messages up to %d of %d", read, next, end)
	}
}
