// Package httpapi is the command role's routes, one file per resource. Each
// decodes a request, has a command decided, and encodes the answer; rules are
// in command/rsvp and command/account, SQL in command/pgstore.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/account"
	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/command/soldout"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/ops"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// Desk decides commands; *admission.Desk is one.
type Desk interface {
	Do(ctx context.Context, r admission.Request) (admission.Answer, error)
	Create(ctx context.Context, r admission.CreateRequest) (admission.Answer, error)
	Earlier(ctx context.Context, scope, key string, hash [32]byte) (a admission.Answer, found bool, err error)
}

// Deps are what the routes work with. All but AnswerBound are required.
type Deps struct {
	Desk          Desk
	SoldOut       *soldout.Board
	Store         *pgstore.Store
	Covers        *pgstore.Covers
	Accounts      *account.Accounts
	Organizations *account.Organizations
	Signer        *account.Signer
	Limiter       *limit.Limiter
	Keyring       *seal.Keyring
	Log           *slog.Logger
	Now           func() time.Time

	Limits       Limits
	EventLimits  rsvp.Limits
	PublicURL    string // links to guests' answers start with it
	ServiceToken string // of the other roles, for the key endpoint
	OpsToken     string
	AnswerBound  time.Duration // 0 means the one that clients are promised
}

// API answers. Its routes are registered by Routes and OpsRoutes.
type API struct {
	Deps
	verifier *token.Verifier
	manager  *token.Manager
	tickets  *token.Tickets
	sessions *token.Sessions
	zones    *zones
	easel    chan struct{} // holds one: who has it decodes a picture
	hashes   *token.MAC    // of requests, with a key: a body holds what may be guessed
}

// New derives what the routes need of the keyring.
func New(d Deps) (*API, error) {
	if d.AnswerBound == 0 {
		d.AnswerBound = answerBound
	}
	a := &API{Deps: d, verifier: token.NewVerifierFrom(d.Signer.Keys), zones: &zones{}, easel: make(chan struct{}, 1)}
	var err error
	if a.manager, err = token.NewManager(d.Keyring); err != nil {
		return nil, err
	}
	if a.tickets, err = token.NewTickets(d.Keyring); err != nil {
		return nil, err
	}
	if a.sessions, err = token.NewSessions(d.Keyring); err != nil {
		return nil, err
	}
	keys, err := d.Keyring.Purpose(seal.PurposeAnswer)
	if err != nil {
		return nil, err
	}
	// The oldest secret: a new one must not make a repeat look like another request.
	a.hashes = token.NewMAC(keys[len(keys)-1])
	return a, nil
}

const (
	// maxBody bounds every body but a picture's.
	maxBody = 256 << 10
	// MaxCoverBytes bounds an uploaded picture; the server's own limit must be above it.
	MaxCoverBytes = 8 << 20
)

// Routes registers everything that clients call.
func (a *API) Routes(e *gin.Engine) {
	e.GET("/.well-known/jwks.json", a.handle(a.jwks))
	e.PUT("/v1/events/:id/cover", httpserver.LimitBody(MaxCoverBytes), a.handleLong(a.setCover))
	e.GET("/v1/events/:id/cover", a.handleLong(a.cover))

	v1 := e.Group("/v1", httpserver.LimitBody(maxBody))
	v1.POST("/auth/register", a.handleLong(a.register))
	v1.POST("/auth/login", a.handleLong(a.login))
	v1.POST("/auth/refresh", a.handle(a.refresh))
	v1.POST("/auth/logout", a.handle(a.logout))

	v1.POST("/organizations", a.handle(a.createOrganization))
	v1.PATCH("/organizations/:org", a.handle(a.changeOrganization))
	v1.GET("/organizations/:org/people", a.handle(a.people))
	v1.POST("/organizations/:org/members", a.handle(a.addMember))
	v1.DELETE("/organizations/:org/members", a.handle(a.removeMember))

	v1.POST("/events", a.handle(a.createEvent))
	v1.PATCH("/events/:id", a.handle(a.editEvent))
	v1.PUT("/events/:id/capacity", a.handle(a.setCapacity))
	v1.DELETE("/events/:id/cover", a.handle(a.removeCover))
	v1.POST("/events/:id/publish", a.handle(a.publishEvent))
	v1.POST("/events/:id/cancel", a.handle(a.cancelEvent))
	v1.POST("/events/:id/duplicate", a.handle(a.duplicateEvent))
	v1.POST("/events/:id/repeat", a.handleLong(a.repeatEvent))

	v1.POST("/events/:id/rsvps", a.handle(a.submitRSVP))
	v1.PATCH("/rsvps/:id", a.handle(a.changeRSVP))
	v1.DELETE("/rsvps/:id", a.handle(a.cancelRSVP))
	v1.POST("/rsvps/:id/confirm", a.handle(a.confirmAddress))
	v1.POST("/rsvps/:id/accept", a.handle(a.acceptOffer))
	v1.POST("/rsvps/:id/decline", a.handle(a.declineOffer))
	v1.POST("/rsvps/:id/approve", a.handle(a.approve))
	v1.POST("/rsvps/:id/reject", a.handle(a.reject))
	v1.POST("/rsvps/:id/feedback", a.handle(a.giveFeedback))

	v1.POST("/events/:id/check-ins", a.handle(a.checkIn))
	v1.DELETE("/events/:id/check-ins/:rsvp", a.handle(a.undoCheckIn))
	v1.POST("/events/:id/check-ins/batch", a.handleLong(a.mergeCheckIns))

	v1.POST("/guest-links", a.handle(a.requestGuestLink))
	v1.POST("/guest-sessions", a.handle(a.openGuestSession))
	v1.POST("/privacy/export", a.handleLong(a.exportPersonal))
	v1.POST("/privacy/erase", a.handleLong(a.erasePersonal))

	v1.GET("/events/:id/history", a.handleLong(a.history))
	v1.GET("/events/:id/history/verify", a.handleLong(a.verifyHistory))
	v1.GET("/events/:id/certificate", a.handleLong(a.certificate))
}

// OpsRoutes registers what only roles and operators call.
func (a *API) OpsRoutes(e *gin.Engine) {
	e.POST(seal.KeyPath, a.handleLong(a.dataKeys))
	e.GET("/v1/ops/outbox", ops.Guard(a.OpsToken), a.handle(a.outbox))
	e.GET("/v1/ops/profile", ops.Guard(a.OpsToken), ops.Profile)
}

const (
	// answerBound is how long a client waits for an answer, whatever is away:
	// with the way there and back, 2 s.
	answerBound = 1800 * time.Millisecond
	// longBound is for what takes its time: hashing passwords, pictures, whole
	// histories, many events or guests at once.
	longBound = 15 * time.Second
)

func (a *API) handle(f func(*gin.Context) error) gin.HandlerFunc { return bounded(a.AnswerBound, f) }

func (a *API) handleLong(f func(*gin.Context) error) gin.HandlerFunc {
	return bounded(max(a.AnswerBound, longBound), f)
}

// bounded makes a problem of an error. What is not there and what the client
// may not know of get the same words: a detail would tell them apart.
func bounded(bound time.Duration, f func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer httpserver.Bound(c, bound)()
		if err := f(c); err != nil {
			if errors.Is(err, fault.ErrNotFound) {
				err = fault.ErrNotFound
			}
			httpserver.Problem(c, err)
		}
	}
}
