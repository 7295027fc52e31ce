package ops

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// Letter is one line of GET /v1/ops/dlq. The payload stays out: it is for
// `turnout dlq show`, on a machine that may see it.
type Letter struct {
	ID        string    `json:"id"`
	Group     string    `json:"group"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Message   string    `json:"message"` // its CloudEvents id
	Type      string    `json:"type"`
}

// LetterOf leaves the payload out.
func LetterOf(l kafkabus.DeadLetter) Letter {
	return Letter{ID: l.ID, Group: l.Group, At: l.At, Reason: l.Reason, Topic: l.Original.Topic, Partition: l.Original.Partition,
		Offset: l.Original.Offset, Message: l.Message.UUID, Type: l.Message.Metadata["ce_type"]}
}

// Redrive hands a dead letter to its own group's handler.
type Redrive func(ctx context.Context, letter kafkabus.DeadLetter) error

var errNotRedriven = fault.New(fault.Conflict, "not-redriven", "The message was rejected again")

// Resend redrives one dead letter and marks it as dealt with.
func Resend(ctx context.Context, cfg kafkabus.Config, id string, redrive Redrive) error {
	group, partition, offset, err := kafkabus.ParseDeadLetterID(id)
	if err != nil {
		return fault.ErrNotFound.Because(err)
	}
	letter, err := kafkabus.FetchDLQ(ctx, cfg, group, partition, offset)
	if errors.Is(err, kafkabus.ErrNoDeadLetter) {
		return fault.ErrNotFound.Because(err)
	}
	if err != nil {
		return errKafkaAway.Because(err)
	}
	if err := redrive(ctx, letter); err != nil {
		return errNotRedriven.Detailf("%v", err).Because(err)
	}
	return kafkabus.ResolveDLQ(ctx, cfg, id, "redriven")
}

// DLQRoutes adds GET /v1/ops/dlq and POST /v1/ops/dlq/{id}/redrive for a role's
// own groups.
func DLQRoutes(e gin.IRouter, guard gin.HandlerFunc, cfg kafkabus.Config, groups []string, redrive Redrive) {
	e.GET("/v1/ops/dlq", guard, func(c *gin.Context) {
		limit, err := strconv.Atoi(c.DefaultQuery("limit", "100"))
		if err != nil || limit < 1 || limit > 1000 {
			httpserver.Problem(c, fault.ErrInvalid.About(fault.Field{Pointer: "limit", Detail: "must be a number from 1 to 1000"}))
			return
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), lagTimeout)
		defer cancel()
		items := []Letter{}
		for _, group := range groups {
			letters, err := kafkabus.ReadDLQ(ctx, cfg, group, limit)
			if err != nil {
				httpserver.Problem(c, errKafkaAway.Because(err))
				return
			}
			for _, l := range letters {
				items = append(items, LetterOf(l))
			}
		}
		c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
	})
	e.POST("/v1/ops/dlq/:id/redrive", guard, func(c *gin.Context) {
		group, _, _, err := kafkabus.ParseDeadLetterID(c.Param("id"))
		if err != nil || !slices.Contains(groups, group) {
			httpserver.Problem(c, fault.ErrNotFound)
			return
		}
		if err := Resend(c.Request.Context(), cfg, c.Param("id"), redrive); err != nil {
			httpserver.Problem(c, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{"id": c.Param("id"), "outcome": "redriven"})
	})
}
