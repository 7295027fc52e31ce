package httpapi

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/notifier/bounce"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

var errReport = fault.New(fault.Unprocessable, "unknown-report", "This is not a report that the provider sends")

// takeBounces serves the hooks of mail providers, and "dsn" for a mailbox that
// pipes what it gets. Whoever knows the token may speak: a report can only keep
// mail from an address that we wrote to.
func (a *API) takeBounces(c *gin.Context) {
	parse := bounce.Providers[c.Param("provider")]
	if parse == nil || a.BounceToken == "" {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	if subtle.ConstantTimeCompare([]byte(c.Query("key")), []byte(a.BounceToken)) != 1 {
		httpserver.Problem(c, fault.ErrUnauthorized.Detailf("The hook's key is not right."))
		return
	}
	body, err := httpserver.ReadBody(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	reports, err := parse(body)
	if err != nil {
		httpserver.Problem(c, errReport.Because(err))
		return
	}
	taken := 0
	for _, r := range reports {
		known, err := a.TakeReport(c.Request.Context(), r)
		if err != nil {
			httpserver.Problem(c, err) // the provider tries again; what was taken stays so
			return
		}
		if known {
			taken++
		}
	}
	c.JSON(http.StatusOK, gin.H{"reports": len(reports), "taken": taken})
}

// states are what reports make of a notice; a soft bounce and a complaint leave
// it sent.
var states = map[bounce.Kind]notice.State{bounce.Hard: notice.Bounced, bounce.Delivered: notice.Delivered}

// TakeReport records one report; false: it is about none of ours.
func (a *API) TakeReport(ctx context.Context, r bounce.Report) (bool, error) {
	now := a.Now().UTC()
	if r.NoticeID == "" {
		return false, nil
	}
	rsvpID, err := a.Store.Reported(ctx, r.NoticeID, states[r.Kind], strings.TrimSpace(string(r.Kind)+" "+r.Code))
	if errors.Is(err, pgstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var reason string
	switch r.Kind {
	case bounce.Hard:
		reason = pgstore.Bounced
	case bounce.Complaint:
		reason = pgstore.Complained
	default:
		return true, nil
	}
	if rsvpID == "" { // it went to a member
		return true, a.suppressMember(ctx, r.NoticeID, reason, now)
	}
	g, err := a.Store.Guest(ctx, rsvpID)
	if err != nil {
		return false, err
	}
	keys, err := a.Keys.Fetch(ctx, []string{rsvpID})
	if err != nil {
		return false, fault.ErrUnavailable.Because(err)
	}
	p, ok := personal(g, keys)
	if !ok {
		return true, nil // erased meanwhile: nobody to spare
	}
	return true, a.Store.Suppress(ctx, p.EmailHMAC, pgstore.Suppression{Reason: reason}, "notification "+r.NoticeID, now)
}
