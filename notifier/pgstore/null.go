package pgstore

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// timestamp is a timestamptz that may be null: the zero time in Go.
type timestamp = pgtype.Timestamptz

func value(t timestamp) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}

func orNull(t time.Time) timestamp {
	return timestamp{Time: t, Valid: !t.IsZero()}
}

// never is a time that does not come: nobody claims what is due then.
var never = timestamp{Valid: true, InfinityModifier: pgtype.Infinity}
