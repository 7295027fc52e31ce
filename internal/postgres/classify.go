package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Kind is what an error of the database means for whoever ran the statement.
type Kind int

const (
	// Other is everything else: a bug, or an error that is not the database's.
	Other Kind = iota
	// None is no error.
	None
	// NotFound is pgx.ErrNoRows.
	NotFound
	// Retryable means: the transaction was rolled back and the same one may pass now (serialization failure,
	// deadlock, lock not available).
	Retryable
	// Unavailable means: no usable server or connection. Whether a COMMIT under way took place is unknown.
	Unavailable
	// Unique means: a unique or exclusion constraint refused the row; see Class.Constraint.
	Unique
	// Check means: a check constraint, or a trigger that raised check_violation, refused the row.
	Check
	// ForeignKey means: a foreign key refused the row.
	ForeignKey
	// Cancelled means: the caller's context ended, or the server's statement timeout did.
	Cancelled
)

// Class is a classified error.
type Class struct {
	Kind       Kind
	Constraint string // of Unique, Check and ForeignKey
	Code       string // SQLSTATE, if the server said one
}

// Classify reads an error. Codes: https://www.postgresql.org/docs/15/errcodes-appendix.html
func Classify(err error) Class {
	if err == nil {
		return Class{Kind: None}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return Class{Kind: NotFound}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return Class{Kind: kindOfCode(pg.Code), Constraint: pg.ConstraintName, Code: pg.Code}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Class{Kind: Cancelled}
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) ||
		strings.Contains(err.Error(), "conn closed") { // pgconn has no exported value for a connection closed under us
		return Class{Kind: Unavailable}
	}
	return Class{Kind: Other}
}

func kindOfCode(code string) Kind {
	switch code {
	case "40001", "40P01", "55P03":
		return Retryable
	case "23505", "23P01":
		return Unique
	case "23514":
		return Check
	case "23503":
		return ForeignKey
	case "57014":
		return Cancelled
	case "57P01", "57P02", "57P03", "57P05", "25P03", "53300":
		return Unavailable
	}
	if strings.HasPrefix(code, "08") {
		return Unavailable
	}
	return Other
}

// IsUnique says whether err is a violation of the named unique constraint.
func IsUnique(err error, constraint string) bool {
	c := Classify(err)
	return c.Kind == Unique && c.Constraint == constraint
}
