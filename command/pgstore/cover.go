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

// Put saves a picture before the event points at it. One that is there already
// is as new again: Keep must not take it from who is about to name it.
func (s *Covers) Put(ctx context.Context, eventID string, sha256 []byte, contentType string, body []byte, now time.Time) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO event_cover (event_id, sha256, content_type, body, created_at)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (event_id, sha256) DO UPDATE SET created_at = EXCLUDED.created_at`, eventID, sha256, contentType, body, now)
	return Unavailable(err, "save cover of event %s", eventID)
}

// coverGrace is how long a picture may wait to be named by its event: longer
// than any request takes.
const coverGrace = 10 * time.Minute

// deleteCovers goes by what the event names, whoever asks: another request may
// have given it another picture meanwhile, or be about to.
const deleteCovers = `DELETE FROM event_cover c USING event e WHERE e.id = c.event_id AND c.created_at < $1
	AND encode(c.sha256, 'hex') IS DISTINCT FROM e.body->'cover'->>'sha256' AND `

// Keep deletes the pictures that an event does not name.
func (s *Covers) Keep(ctx context.Context, eventID string, now time.Time) error {
	_, err := s.pool.Exec(ctx, deleteCovers+`c.event_id = $2`, now.Add(-coverGrace), eventID)
	return Unavailable(err, "delete covers of event %s", eventID)
}

// Sweep is Keep for all events, for pictures that were too new then: those that
// came after since.
func (s *Covers) Sweep(ctx context.Context, since, now time.Time) error {
	_, err := s.pool.Exec(ctx, deleteCovers+`c.created_at > $2`, now.Add(-coverGrace), since)
	return Unavailable(err, "sweep covers")
}

// Cover is a picture, with the state of the event it belongs to.
type Cover struct {
	SHA256         []byte
	ContentType    string
	Body           []byte
	Announced      bool // the event: everybody may see it
	OrganizationID string
}

// Get reads the picture that an event has now, by the event's id or slug.
func (s *Covers) Get(ctx context.Context, idOrSlug string) (Cover, error) {
	where := `e.slug = $1`
	if _, err := uuidOf(idOrSlug); err == nil {
		where = `e.id = $1`
	}
	var c Cover
	err := s.pool.QueryRow(ctx, `SELECT c.sha256, c.content_type, c.body,
		e.status = 'published' OR e.status = 'cancelled' AND e.body ? 'published_at', e.organization_id::text
		FROM event e JOIN event_cover c ON c.event_id = e.id AND encode(c.sha256, 'hex') = e.body->'cover'->>'sha256'
		WHERE `+where, idOrSlug).Scan(&c.SHA256, &c.ContentType, &c.Body, &c.Announced, &c.OrganizationID)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, fault.ErrNotFound
	}
	return c, Unavailable(err, "read cover of event %s", idOrSlug)
}
