package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// routes is every path of the origin: pages stand here by name, the API's
// routes and who answers each in docs/openapi/openapi.yaml.
func routes(r *gin.Engine, p *pages, g *gateway, inbox http.Handler) {
	r.GET("/", p.browse)
	r.HEAD("/", p.browse) // monitors and link checkers ask so
	r.GET("/e/:slug", p.event)
	r.HEAD("/e/:slug", p.event)
	r.POST("/e/:slug", p.answer)
	r.GET("/r/:token", p.rsvp)
	r.POST("/r/:token", p.change)
	r.GET("/me", p.me)
	r.POST("/me", p.signIn)
	r.GET("/ops", p.ops)
	memberRoutes(r, p)
	r.GET("/problems/:slug", p.problem)
	r.GET("/static/*file", p.static)
	r.GET("/sw.js", p.worker)
	if inbox != nil {
		r.Any("/inbox", gin.WrapH(inbox))
		r.Any("/inbox/*rest", gin.WrapH(inbox))
	}
	r.GET("/openapi.yaml", p.doc.serve)
	r.GET("/docs", p.docs)
	for _, route := range p.doc.routes {
		if handler := g.to(route.role); handler != nil {
			r.Handle(route.method, route.path, handler)
			if route.method == http.MethodGet && route.role == "query" {
				r.HEAD(route.path, handler)
			}
		}
	}
}

// memberRoutes are the pages of who has signed in: organizers and the door.
func memberRoutes(r *gin.Engine, p *pages) {
	open := r.Group("/o", p.guardForms)
	open.GET("/sign-in", p.memberSignIn)
	open.POST("/sign-in", p.memberStart)
	open.GET("/sign-up", p.memberSignIn)
	open.POST("/sign-up", p.memberStart)
	open.POST("/sign-out", p.memberEnd)
	o := r.Group("/o", p.guardForms, p.signedIn)
	o.GET("", p.home)
	o.POST("", p.found)
	organizerRoutes(o, p)
	peopleRoutes(o, p)
	doorRoutes(r.Group("/door"), p)
}
