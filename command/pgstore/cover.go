package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/fault"
)

// Covers are the pictures of events. A picture is kept by the hash of its
// bytes, so that an event and its picture cannot disagree.
type Covers struct{ pool *pgxpool.Pool }

// NewCovers uses the pool.
func NewCovers(pool *pgxpool.Pool) *Covers { return &Covers{pool: pool} }

// Put saves a picture before the event points at it.
func (s *Covers) Put(ctx context.Context, eventID string, sha256 []byte, contentType string, body []byte, now time.Time) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO event_cover (event_id, sha256, content_type, body, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, eventID, sha256, contentType, body, now)
	return Unavailable(err, "save cover of event %s", eventID)
}

// Keep deletes an event's other pictures; nil deletes all.
func (s *Covers) Keep(ctx context.Context, eventID string, sha256 []byte) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM event_cover WHERE event_id = $1 AND ($2::bytea IS NULL OR sha256 <> $2)`, eventID, sha256)
	return Unavailable(err, "delete covers of event %s", eventID)
}

// Cover is a picture, with the state of the event it belongs to.
type Cover struct {
	SHA256         []byte
	ContentType    string
	Body           []byte
	Status         string // of the event
	OrganizationID string
}

// Get reads the picture that an event has now, by the event's id or slug.
func (s *Covers) Get(ctx context.Context, idOrSlug string) (Cover, error) {
	where := `e.slug = $1`
	if _, err := uuidOf(idOrSlug); err == nil {
		where = `e.id = $1`
	}
	var c Cover
	err := s.pool.QueryRow(ctx, `SELECT c.sha256, c.content_type, c.body, e.status, e.organization_id::text
		FROM event e JOIN event_cover c ON c.event_id = e.id AND encode(c.sha256, 'hex') = e.body->'cover'->>'sha256'
		WHERE `+where, idOrSlug).Scan(&c.SHA256, &c.ContentType, &c.Body, &c.Status, &c.OrganizationID)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, fault.ErrNotFound
	}
	return c, Unavailable(err, "read cover of event %s", idOrSlug)
}
