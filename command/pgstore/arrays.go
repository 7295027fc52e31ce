package pgstore

import (
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// The arrays of a batch hold some hundred kilobytes. pgx encodes an element at a time, through an interface, into a buffer
// that grows by a quarter: four tenths of all bytes that the command role allocated were such buffers. These plans know
// the size before they write. What they write is the same.

// knowArrays teaches a connection to encode the arrays that the store sends, in its scratch; all others are left to pgx.
func knowArrays(m *pgtype.Map, s *scratch) {
	for _, array := range []uint32{
		pgtype.UUIDArrayOID, pgtype.ByteaArrayOID, pgtype.TextArrayOID, pgtype.JSONBArrayOID, pgtype.Int4ArrayOID,
		pgtype.Int8ArrayOID, pgtype.TimestamptzArrayOID,
	} {
		t, ok := m.TypeForOID(array)
		if !ok {
			continue
		}
		if c, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: arrayCodec{c, s}})
		}
	}
}

type arrayCodec struct {
	*pgtype.ArrayCodec
	scratch *scratch
}

// PlanEncode takes the slices that rsvpArguments and columnsOf make.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	element := c.ElementType.OID
	if format == pgx.BinaryFormatCode {
		switch value.(type) {
		case pgtype.FlatArray[[]byte]:
			switch element {
			case pgtype.ByteaOID:
				return arrayPlan[[]byte]{c.scratch, element, func(b []byte) int { return len(b) }, putBytes}
			case pgtype.JSONBOID:
				return arrayPlan[[]byte]{c.scratch, element, func(b []byte) int { return 1 + len(b) }, putJSONB}
			}
		case pgtype.FlatArray[string]:
			if element == pgtype.TextOID {
				return arrayPlan[string]{c.scratch, element, func(s string) int { return len(s) }, putString}
			}
		case pgtype.FlatArray[int32]:
			if element == pgtype.Int4OID {
				return arrayPlan[int32]{c.scratch, element, func(int32) int { return 4 }, putInt32}
			}
		case pgtype.FlatArray[int64]:
			if element == pgtype.Int8OID {
				return arrayPlan[int64]{c.scratch, element, func(int64) int { return 8 }, putInt64}
			}
		case pgtype.FlatArray[pgtype.UUID]:
			if element == pgtype.UUIDOID {
				return arrayPlan[pgtype.UUID]{c.scratch, element, func(pgtype.UUID) int { return 16 }, putUUID}
			}
		case pgtype.FlatArray[time.Time]:
			if element == pgtype.TimestamptzOID {
				return arrayPlan[time.Time]{c.scratch, element, func(time.Time) int { return 8 }, putTime}
			}
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// arrayPlan writes one dimension of elements, each behind its length. put gives ok = false for NULL.
type arrayPlan[T any] struct {
	scratch *scratch
	element uint32
	size    func(T) int
	put     func(buf []byte, v T) (out []byte, ok bool)
}

// Encode appends the binary form of an array (src/backend/utils/adt/arrayfuncs.c, array_recv).
func (p arrayPlan[T]) Encode(value any, buf []byte) ([]byte, error) {
	values, ok := value.(pgtype.FlatArray[T])
	if !ok || values == nil {
		return nil, nil // NULL
	}
	const header = 20
	size := header
	for _, v := range values {
		size += 4 + p.size(v)
	}
	buf = p.scratch.grow(buf, size)
	buf = binary.BigEndian.AppendUint32(buf, 1) // dimensions
	nulls := len(buf)
	buf = binary.BigEndian.AppendUint32(buf, 0)
	buf = binary.BigEndian.AppendUint32(buf, p.element)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(values))) //nolint:gosec // a batch
	buf = binary.BigEndian.AppendUint32(buf, 1)                   // the first index
	for _, v := range values {
		at := len(buf)
		buf = binary.BigEndian.AppendUint32(buf, 0)
		var ok bool
		if buf, ok = p.put(buf, v); ok {
			binary.BigEndian.PutUint32(buf[at:], uint32(len(buf)-at-4)) //nolint:gosec // an answer, a payload
		} else {
			binary.BigEndian.PutUint32(buf[at:], 0xffffffff)
			buf[nulls+3] = 1
		}
	}
	return buf, nil
}

func putBytes(buf, v []byte) ([]byte, bool) { return append(buf, v...), v != nil }

// putJSONB has the version of the format in front.
func putJSONB(buf, v []byte) ([]byte, bool) {
	if v == nil {
		return buf, false
	}
	return append(append(buf, 1), v...), true
}

func putString(buf []byte, v string) ([]byte, bool) { return append(buf, v...), true }

func putInt32(buf []byte, v int32) ([]byte, bool) {
	return binary.BigEndian.AppendUint32(buf, uint32(v)), true //nolint:gosec // the bits
}

func putInt64(buf []byte, v int64) ([]byte, bool) {
	return binary.BigEndian.AppendUint64(buf, uint64(v)), true //nolint:gosec // the bits
}

func putUUID(buf []byte, v pgtype.UUID) ([]byte, bool) {
	if !v.Valid {
		return buf, false
	}
	return append(buf, v.Bytes[:]...), true
}

// millennium is 2000-01-01, from which Postgres counts, in microseconds of Unix time.
const millennium = 946684800 * 1_000_000

func putTime(buf []byte, v time.Time) ([]byte, bool) { return putInt64(buf, v.UnixMicro()-millennium) }
