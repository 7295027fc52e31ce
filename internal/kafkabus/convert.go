package kafkabus

import (
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// Metadata of a Watermill message that is not a Kafka header. MetaKey is read when publishing and set when consuming;
// the others say where a consumed message lies. None of them is sent as a header.
const (
	MetaKey       = "kafka_key"
	MetaTopic     = "kafka_topic"
	MetaPartition = "kafka_partition" // decimal
	MetaOffset    = "kafka_offset"    // decimal
	MetaTimestamp = "kafka_timestamp" // RFC 3339 with nanoseconds, UTC
)

// headerID is the CloudEvents id; a consumed message has it as its UUID.
const headerID = "ce_id"

func reserved(name string) bool {
	switch name {
	case MetaKey, MetaTopic, MetaPartition, MetaOffset, MetaTimestamp:
		return true
	}
	return false
}

// toRecord makes the record of a message.
func toRecord(msg *message.Message) *sarama.Record {
	r := &sarama.Record{Value: msg.Payload}
	if key, ok := msg.Metadata[MetaKey]; ok {
		r.Key = []byte(key)
	}
	names := make([]string, 0, len(msg.Metadata))
	for name := range msg.Metadata {
		if !reserved(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names) // the same message gives the same bytes
	for _, name := range names {
		r.Headers = append(r.Headers, &sarama.RecordHeader{Key: []byte(name), Value: []byte(msg.Metadata[name])})
	}
	return r
}

// names are those of the headers of a batch, which every record has a copy of.
type names map[string]string

func (n names) of(key []byte) string {
	name, known := n[string(key)] // no copy: the compiler sees that it is only looked up
	if !known {
		name = string(key)
		n[name] = name
	}
	return name
}

// fromKafka makes the message of a record. It cannot fail: what the payload means is the handler's to judge.
func fromKafka(cm *sarama.ConsumerMessage, seen names) *message.Message {
	meta := make(message.Metadata, len(cm.Headers)+5)
	for _, h := range cm.Headers {
		if h == nil {
			continue
		}
		if name := seen.of(h.Key); !reserved(name) {
			meta[name] = string(h.Value)
		}
	}
	id := meta[headerID]
	if id == "" {
		id = fmt.Sprintf("%s/%d/%d", cm.Topic, cm.Partition, cm.Offset)
	}
	if cm.Key != nil {
		meta[MetaKey] = string(cm.Key)
	}
	meta[MetaTopic] = cm.Topic
	meta[MetaPartition] = strconv.FormatInt(int64(cm.Partition), 10)
	meta[MetaOffset] = strconv.FormatInt(cm.Offset, 10)
	meta[MetaTimestamp] = cm.Timestamp.UTC().Format(time.RFC3339Nano)
	msg := message.NewMessage(id, cm.Value)
	msg.Metadata = meta
	return msg
}

// Position is where a consumed message lies.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      time.Time // when it was appended or produced, UTC
}

// PositionOf reads the metadata of a consumed message; a message that was not consumed gives the zero value.
func PositionOf(msg *message.Message) Position {
	partition, _ := strconv.ParseInt(msg.Metadata[MetaPartition], 10, 32)
	offset, _ := strconv.ParseInt(msg.Metadata[MetaOffset], 10, 64)
	at, _ := time.Parse(time.RFC3339Nano, msg.Metadata[MetaTimestamp])
	return Position{Topic: msg.Metadata[MetaTopic], Partition: int32(partition), Offset: offset, Time: at}
}
