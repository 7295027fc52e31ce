package kafkabus

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/IBM/sarama"
)

// Whatever a record holds, and whatever somebody takes for the id of a dead
// letter: nothing panics, and what is ours comes back as it was.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("key"), "ce_id", []byte("1"), []byte("{}"), "g:0:1")
	f.Add([]byte(nil), MetaKey, []byte("forged"), []byte(nil), "g:-1:1")
	f.Add([]byte("k"), HeaderDLQPartition, []byte("99999999999"), []byte("x"), "g:4294967296:1")
	f.Add([]byte("k"), HeaderDLQTime, []byte("yesterday"), []byte("x"), ":::")
	for _, id := range []string{"", "g", "g:0", ":0:1", "g:0:1:2", "g:0:", "g:+1:1", "g: 0:1", "g:0x1:1", "g:0:-1", "g:2147483647:9223372036854775807",
		"g:2147483648:1", "g:0:9223372036854775808"} {
		f.Add([]byte("k"), "ce_id", []byte("1"), []byte("{}"), id)
	}
	f.Fuzz(func(t *testing.T, key []byte, name string, value, payload []byte, letterID string) {
		cm := &sarama.ConsumerMessage{
			Topic: "t", Partition: 3, Offset: 7, Key: key, Value: payload,
			Headers: []*sarama.RecordHeader{{Key: []byte(name), Value: value}, nil},
		}
		msg := fromKafka(cm, names{})
		if p := PositionOf(msg); p.Topic != "t" || p.Partition != 3 || p.Offset != 7 {
			t.Errorf("a header moved the message to %+v", p)
		}
		if msg.Metadata[MetaKey] != string(key) || !bytes.Equal(msg.Payload, payload) {
			t.Errorf("key %q and payload %q became %q and %q", key, payload, msg.Metadata[MetaKey], msg.Payload)
		}
		back := toRecord(msg)
		if !bytes.Equal(back.Key, key) || !bytes.Equal(back.Value, payload) {
			t.Errorf("sent on, it is %q %q", back.Key, back.Value)
		}
		if letter := toDeadLetter("g", cm); letter.ID != "g:3:7" || letter.Message == nil {
			t.Errorf("%+v", letter)
		}
		if group, partition, offset, err := ParseDeadLetterID(letterID); err == nil {
			again, p, o, err := ParseDeadLetterID(fmt.Sprintf("%s:%d:%d", group, partition, offset))
			if err != nil || again != group || p != partition || o != offset || p < 0 || o < 0 || group == "" {
				t.Errorf("%q is %s %d %d, and that is %s %d %d, %v", letterID, group, partition, offset, again, p, o, err)
			}
		}
	})
}
