package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
)

// OpsRoutes adds what operators may see and do: the notices that were given
// up, and sending them again. guard decides who is one.
func (a *API) OpsRoutes(e *gin.Engine, guard gin.HandlerFunc) {
	e.GET("/v1/ops/notices", guard, a.opsNotices)
	e.POST("/v1/ops/notices/:id/resend", guard, a.opsResend)
}

func (a *API) opsNotices(c *gin.Context) {
	ctx := c.Request.Context()
	dead, err := a.Store.Dead(ctx, maxLimit)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	now := a.Now().UTC()
	due, oldest, err := a.Store.Backlog(ctx, now)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]notification, len(dead))
	for i := range dead {
		items[i] = a.view(&dead[i])
	}
	waited := 0.0
	if !oldest.IsZero() {
		waited = now.Sub(oldest).Seconds()
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil, "due": due, "oldest_due_seconds": waited})
}

// opsResend takes the id of one, or "all".
func (a *API) opsResend(c *gin.Context) {
	which := c.Param("id")
	if which == "all" {
		which = ""
	} else if !id.Valid(which) {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	n, err := a.Store.Revive(c.Request.Context(), which, a.Now().UTC())
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	if n == 0 && which != "" {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	a.Wake()
	c.JSON(http.StatusOK, gin.H{"resent": n})
}
