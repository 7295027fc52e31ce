package contract

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Headers of a record: CloudEvents 1.0, Kafka protocol binding, binary mode.
const (
	HeaderContentType = "content-type"
	HeaderSpecVersion = "ce_specversion"
	HeaderID          = "ce_id"
	HeaderType        = "ce_type"
	HeaderSource      = "ce_source"
	HeaderSubject     = "ce_subject"
	HeaderTime        = "ce_time"           // recorded_at
	HeaderValid       = "ce_turnoutvalid"   // valid_at
	HeaderVersion     = "ce_turnoutversion" // decimal
	HeaderOrg         = "ce_turnoutorg"
	HeaderChain       = "ce_turnoutchain" // hex SHA-256
	HeaderActor       = "ce_turnoutactor"
	HeaderReason      = "ce_turnoutreason"
	HeaderTraceparent = "traceparent"
)

const (
	specVersion = "1.0"
	source      = "/turnout/command"
	outcomes    = "/turnout/notifier" // of messages about notifications
	contentType = "application/json"
)

// Envelope is a message with all that the log knows about it. Subject is the
// event (or the organization) and Version is its version after the message.
type Envelope struct {
	Subject     string
	Version     int64
	Type        string
	Org         string
	ValidAt     time.Time // when it was true
	RecordedAt  time.Time // when the log took it; never before its predecessor
	Actor       string    // guest:<rsvp>, member:<account>, system:<what>
	Reason      string
	Chain       []byte // SHA-256 over the predecessor's and this message
	Traceparent string
	Payload     []byte
}

// ID is the CloudEvents id: unique, and the same however often it is sent.
func (e *Envelope) ID() string { return e.Subject + "@" + strconv.FormatInt(e.Version, 10) }

// timeFormat has microseconds, the resolution of Postgres: a finer time would
// not survive the log and its hash would not be found again.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// Time drops what the log cannot keep.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// ChainHash is SHA-256(previous ‖ version ‖ type ‖ times ‖ actor ‖ reason ‖
// payload), each part behind its length, so that no two messages share bytes.
func (e *Envelope) ChainHash(previous []byte) []byte {
	h := sha256.New()
	var n [8]byte
	part := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part(previous)
	binary.BigEndian.PutUint64(n[:], uint64(e.Version))
	h.Write(n[:])
	part([]byte(e.Type))
	binary.BigEndian.PutUint64(n[:], uint64(e.ValidAt.UnixMicro()))
	h.Write(n[:])
	binary.BigEndian.PutUint64(n[:], uint64(e.RecordedAt.UnixMicro()))
	h.Write(n[:])
	part([]byte(e.Actor))
	part([]byte(e.Reason))
	part(e.Payload)
	return h.Sum(nil)
}

// Headers are the record's headers; the key is Subject, the value Payload.
func (e *Envelope) Headers() map[string]string {
	h := map[string]string{
		HeaderContentType: contentType,
		HeaderSpecVersion: specVersion,
		HeaderID:          e.ID(),
		HeaderType:        e.Type,
		HeaderSource:      source,
		HeaderSubject:     e.Subject,
		HeaderTime:        e.RecordedAt.UTC().Format(timeFormat),
		HeaderValid:       e.ValidAt.UTC().Format(timeFormat),
		HeaderVersion:     strconv.FormatInt(e.Version, 10),
		HeaderOrg:         e.Org,
		HeaderChain:       hex.EncodeToString(e.Chain),
		HeaderActor:       e.Actor,
	}
	if AboutOf(e.Type) == AboutNotification {
		h[HeaderSource] = outcomes
	}
	if e.Reason != "" {
		h[HeaderReason] = e.Reason
	}
	if e.Traceparent != "" {
		h[HeaderTraceparent] = e.Traceparent
	}
	return h
}

// ErrUndecodable means that a record can never be read: it belongs to the
// dead letters, with the reason.
var ErrUndecodable = errors.New("undecodable message")

// Decode reads a record. The payload is kept as it came and is read by the
// consumer that knows which part of it is wanted.
func Decode(headers map[string]string, payload []byte) (*Envelope, error) {
	bad := func(header string, err error) (*Envelope, error) {
		return nil, fmt.Errorf("%w: %s %q: %w", ErrUndecodable, header, headers[header], err)
	}
	if v := headers[HeaderSpecVersion]; v != specVersion {
		return bad(HeaderSpecVersion, errors.New("want 1.0"))
	}
	e := &Envelope{
		Subject: headers[HeaderSubject], Type: headers[HeaderType], Org: headers[HeaderOrg],
		Actor: headers[HeaderActor], Reason: headers[HeaderReason],
		Traceparent: headers[HeaderTraceparent], Payload: payload,
	}
	if e.Subject == "" {
		return bad(HeaderSubject, errors.New("missing"))
	}
	if AboutOf(e.Type) == AboutUnknown {
		return bad(HeaderType, errors.New("unknown type"))
	}
	var err error
	if e.Version, err = strconv.ParseInt(headers[HeaderVersion], 10, 64); err != nil || e.Version < 1 {
		return bad(HeaderVersion, errors.New("want a number from 1"))
	}
	if e.RecordedAt, err = time.Parse(time.RFC3339Nano, headers[HeaderTime]); err != nil {
		return bad(HeaderTime, err)
	}
	if e.ValidAt, err = time.Parse(time.RFC3339Nano, headers[HeaderValid]); err != nil {
		return bad(HeaderValid, err)
	}
	if e.Chain, err = hex.DecodeString(headers[HeaderChain]); err != nil {
		return bad(HeaderChain, err)
	}
	return e, nil
}
