package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
)

// What the door's script asks for, with the member's token, which no script has.

func (p *pages) doorCounts(c *gin.Context) {
	if event, ok := doorEvent(c); ok {
		p.pass(c, http.MethodGet, p.api.query+"/v1/events/"+event+"/availability")
	}
}

func (p *pages) doorCheckIn(c *gin.Context) {
	if event, ok := doorEvent(c); ok {
		p.pass(c, http.MethodPost, p.api.command+"/v1/events/"+event+"/check-ins")
	}
}

func (p *pages) doorMerge(c *gin.Context) {
	if event, ok := doorEvent(c); ok {
		p.pass(c, http.MethodPost, p.api.command+"/v1/events/"+event+"/check-ins/batch")
	}
}

func (p *pages) doorUndo(c *gin.Context) {
	event, ok := doorEvent(c)
	if !ok {
		return
	}
	rsvp := c.Param("rsvp")
	if !id.Valid(rsvp) {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	p.pass(c, http.MethodDelete, p.api.command+"/v1/events/"+event+"/check-ins/"+rsvp)
}

// doorEvent is the event of the path.
func doorEvent(c *gin.Context) (string, bool) {
	event := c.Param("event")
	if !id.Valid(event) {
		httpserver.Problem(c, fault.ErrNotFound)
		return "", false
	}
	return event, true
}

// pass sends what the script sent on, and answers what the API answers.
func (p *pages) pass(c *gin.Context, method, target string) {
	sent, ok := doorBody(c)
	if !ok {
		return
	}
	var body any
	if len(sent) > 0 {
		body = sent
	}
	var got json.RawMessage
	res, err := p.api.do(c.Request.Context(), method, target, body, &got, by(c, "Idempotency-Key", c.GetHeader("Idempotency-Key")))
	if err != nil {
		p.doorProblem(c, err)
		return
	}
	p.doorAnswer(c, res, got)
}

// doorBody is what the script sent; JSON goes on as it is, for the API to judge.
func doorBody(c *gin.Context) (json.RawMessage, bool) {
	sent, err := c.GetRawData()
	switch {
	case err != nil:
		httpserver.Problem(c, fault.ErrInvalid.Detailf("The request is too large, or broke off."))
	case len(sent) > 0 && !strings.HasPrefix(c.ContentType(), "application/json"), len(sent) > 0 && !json.Valid(sent):
		httpserver.Problem(c, fault.ErrInvalid.Detailf("Send JSON."))
	default:
		return sent, true
	}
	return nil, false
}

func (p *pages) doorAnswer(c *gin.Context, res http.Header, body any) {
	if v := res.Get("Turnout-Version"); v != "" {
		c.Header("Turnout-Version", v)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, body)
}

// doorProblem answers the API's problem. An access token that is not good any more is let go: the next request comes
// with another one, or learns that the session has ended.
func (p *pages) doorProblem(c *gin.Context, err error) {
	why := asProblem(err)
	if why.Status == http.StatusUnauthorized {
		p.cookie(c, accessCookie, "", -1)
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Type", httpserver.ProblemType)
	c.AbortWithStatusJSON(why.Status, why)
}

// doorWalkIn adds somebody who stands at the door without an answer. Their manage link is theirs, not the device's.
func (p *pages) doorWalkIn(c *gin.Context) {
	event, ok := doorEvent(c)
	if !ok {
		return
	}
	sent, ok := doorBody(c)
	if !ok {
		return
	}
	var in struct {
		Name      string                     `json:"name"`
		Email     string                     `json:"email"`
		PartySize int                        `json:"party_size"`
		Answers   map[string]contract.Answer `json:"answers"`
	}
	if err := json.Unmarshal(sent, &in); err != nil {
		httpserver.Problem(c, fault.ErrInvalid.Detailf("Send a name, perhaps an address, and how many people."))
		return
	}
	body := map[string]any{"name": strings.TrimSpace(in.Name), "response": "going", "party_size": in.PartySize}
	if email := strings.TrimSpace(in.Email); email != "" {
		body["email"] = email
	}
	if len(in.Answers) > 0 {
		body["answers"] = in.Answers
	}
	var made struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		Position  *int   `json:"position"`
		PartySize int    `json:"party_size"`
		CheckedIn int    `json:"checked_in"`
		Version   int64  `json:"version"`
	}
	res, err := p.api.do(c.Request.Context(), http.MethodPost, p.api.command+"/v1/events/"+event+"/rsvps", body, &made,
		by(c, "Idempotency-Key", c.GetHeader("Idempotency-Key")))
	if err != nil {
		p.doorProblem(c, err)
		return
	}
	p.doorAnswer(c, res, made)
}
