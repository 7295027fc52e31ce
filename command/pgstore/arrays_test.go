package pgstore

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// What the store's own plans write is, byte for byte, what pgx writes.
func TestArraysAreEncodedAsByPgx(t *testing.T) {
	t.Parallel()
	theirs, ours := pgtype.NewMap(), pgtype.NewMap()
	knowArrays(ours, &scratch{})
	id := pgtype.UUID{Bytes: [16]byte{1, 2, 3}, Valid: true}
	at := time.Date(2031, 5, 4, 3, 2, 1, 123456000, time.UTC)
	for name, c := range map[string]struct {
		oid   uint32
		value any
	}{
		"uuid":                {pgtype.UUIDArrayOID, pgtype.FlatArray[pgtype.UUID]{id, {}, id}},
		"bytea":               {pgtype.ByteaArrayOID, pgtype.FlatArray[[]byte]{{1, 2}, nil, {}, bytes.Repeat([]byte{7}, 5000)}},
		"jsonb":               {pgtype.JSONBArrayOID, pgtype.FlatArray[[]byte]{[]byte(`{"a":1}`), nil, []byte(`[]`)}},
		"text":                {pgtype.TextArrayOID, pgtype.FlatArray[string]{"", "ä", "x,\"y\"{}"}},
		"int":                 {pgtype.Int4ArrayOID, pgtype.FlatArray[int32]{0, -1, 1 << 30}},
		"bigint":              {pgtype.Int8ArrayOID, pgtype.FlatArray[int64]{0, -1, 1 << 60}},
		"timestamptz":         {pgtype.TimestamptzArrayOID, pgtype.FlatArray[time.Time]{at, {}, at.AddDate(-200, 0, 0), at.Local()}},
		"timestamptz or NULL": {pgtype.TimestamptzArrayOID, pgtype.FlatArray[pgtype.Timestamptz]{{}, {Time: at, Valid: true}}},
		"smallint":            {pgtype.Int2ArrayOID, pgtype.FlatArray[int16]{3, -3}},
		"none":                {pgtype.TextArrayOID, pgtype.FlatArray[string]{}},
		"no array":            {pgtype.TextArrayOID, pgtype.FlatArray[string](nil)},
		"a plain slice":       {pgtype.TextArrayOID, []string{"a"}},
	} {
		want, err := theirs.Encode(c.oid, pgx.BinaryFormatCode, c.value, []byte("before"))
		if err != nil {
			t.Fatalf("%s: pgx: %v", name, err)
		}
		got, err := ours.Encode(c.oid, pgx.BinaryFormatCode, c.value, []byte("before"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\ngot  %x\nwant %x", name, err, got, want)
		}
	}
}

// A statement's arrays lie in the connection's memory one behind the other, also where one outgrows it or pgx itself has
// moved them elsewhere; and those of the next statement begin anew there.
func TestArraysOfOneStatementStayApart(t *testing.T) {
	t.Parallel()
	theirs, ours := pgtype.NewMap(), pgtype.NewMap()
	s := &scratch{}
	knowArrays(ours, s)
	texts := func(n int, of string) pgtype.FlatArray[string] {
		return slices.Repeat(pgtype.FlatArray[string]{of}, n)
	}
	for statement := range 4 {
		buf := make([]byte, 0, 256)
		var got, want [][]byte
		for i, v := range []any{
			texts(40, "a"), pgtype.FlatArray[pgtype.Timestamptz]{{}, {}}, texts(10, "b"), slices.Repeat(pgtype.FlatArray[pgtype.Timestamptz]{{}}, 2000),
			texts(3+statement*2000, "c"), texts(5, "d"),
		} {
			oid := uint32(pgtype.TextArrayOID)
			if _, times := v.(pgtype.FlatArray[pgtype.Timestamptz]); times {
				oid = pgtype.TimestamptzArrayOID
			}
			alone, err := theirs.Encode(oid, pgx.BinaryFormatCode, v, nil)
			if err != nil {
				t.Fatal(err)
			}
			from := len(buf)
			if buf, err = ours.Encode(oid, pgx.BinaryFormatCode, v, buf); err != nil {
				t.Fatal(err)
			}
			got, want = append(got, buf[from:]), append(want, alone)
			for j := range got {
				if !bytes.Equal(got[j], want[j]) {
					t.Fatalf("statement %d: array %d is another one after array %d", statement, j, i)
				}
			}
		}
	}
}
