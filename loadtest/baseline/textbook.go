package baseline

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is the textbook's: a counter on the event, a row per RSVP, an outbox. Less than Turnout writes: no log, no
// hashes, no keys, no stored answers, nothing encrypted.
const Schema = `
CREATE TABLE event (id uuid PRIMARY KEY, capacity integer, going integer NOT NULL DEFAULT 0);
CREATE TABLE rsvp (
	id uuid PRIMARY KEY, event_id uuid NOT NULL REFERENCES event, email text NOT NULL, name text NOT NULL,
	party_size integer NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (event_id, email)
);
CREATE TABLE outbox (id bigserial PRIMARY KEY, event_id uuid NOT NULL, payload jsonb NOT NULL);`

type textbook struct{ db *pgxpool.Pool }

type submission struct {
	Name      string `json:"name" binding:"required"`
	Email     string `json:"email" binding:"required"`
	PartySize int    `json:"party_size" binding:"min=1"`
}

type answer struct {
	ID      string `json:"id"`
	EventID string `json:"event_id"`
	Status  string `json:"status"`
	Version int    `json:"version"`
}

var errFull = errors.New("the event is full")

// rsvp is one transaction per request: lock the event, look whether there is room, insert, commit.
func (t textbook) rsvp(c *gin.Context) {
	var in submission
	if err := c.ShouldBindJSON(&in); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	id, err := uuid.NewV7()
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	out := answer{ID: id.String(), EventID: c.Param("id"), Status: "confirmed"}
	err = pgx.BeginFunc(c.Request.Context(), t.db, func(tx pgx.Tx) error { return submit(c, tx, in, &out) })
	var pg *pgconn.PgError
	switch {
	case err == nil:
		c.JSON(http.StatusCreated, out)
	case errors.Is(err, errFull), errors.As(err, &pg) && pg.Code == "23505":
		c.JSON(http.StatusConflict, gin.H{"error": err.Error()})
	case errors.Is(err, pgx.ErrNoRows):
		c.JSON(http.StatusNotFound, gin.H{"error": "no such event"})
	default:
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
	}
}

func submit(c *gin.Context, tx pgx.Tx, in submission, out *answer) error {
	ctx := c.Request.Context()
	var capacity *int
	if err := tx.QueryRow(ctx, `SELECT capacity, going FROM event WHERE id = $1 FOR UPDATE`, out.EventID).
		Scan(&capacity, &out.Version); err != nil {
		return err
	}
	if capacity != nil && out.Version+in.PartySize > *capacity {
		return errFull
	}
	out.Version += in.PartySize
	if _, err := tx.Exec(ctx, `INSERT INTO rsvp (id, event_id, email, name, party_size, status) VALUES ($1, $2, $3, $4, $5, $6)`,
		out.ID, out.EventID, in.Email, in.Name, in.PartySize, out.Status); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE event SET going = $2 WHERE id = $1`, out.EventID, out.Version); err != nil {
		return err
	}
	payload, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO outbox (event_id, payload) VALUES ($1, $2)`, out.EventID, payload)
	return err
}
