package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// routes is every path of the origin. The gateway's follow API.md: a write goes
// to command, a read to query, and what is neither stands here by name.
func routes(r *gin.Engine, p *pages, g *gateway, inbox http.Handler) {
	r.GET("/", p.browse)
	r.GET("/e/:slug", p.event)
	r.POST("/e/:slug", p.answer)
	r.GET("/r/:token", p.rsvp)
	r.POST("/r/:token", p.change)
	r.GET("/ops", p.ops)
	r.GET("/problems/:slug", p.problem)
	r.GET("/static/*file", p.static)
	if inbox != nil {
		r.Any("/inbox", gin.WrapH(inbox))
		r.Any("/inbox/*rest", gin.WrapH(inbox))
	}

	r.GET("/.well-known/jwks.json", g.command)
	r.Any("/u/:token", g.notifier)
	r.GET("/openapi.yaml", g.query)
	r.GET("/docs", g.query)
	r.Any("/v1/*path", g.route)
}
