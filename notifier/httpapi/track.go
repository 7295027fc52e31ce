package httpapi

import (
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// pixel is a transparent GIF of one by one.
const pixel = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

// opened counts a recipient who has the pictures of a campaign's mail shown.
// Such mail has the picture only while the organization has tracking on. It is
// there also when nothing could be counted: a mail must not look broken.
func (a *API) opened(c *gin.Context) {
	noticeID, err := a.Links.Opened(c.Param("token"))
	if err != nil {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	if err := a.Store.CountOpened(c.Request.Context(), noticeID, a.Now().UTC()); err != nil && !errors.Is(err, pgstore.ErrNotFound) {
		a.Log.WarnContext(c.Request.Context(), "an opened mail is not counted", "notification", noticeID, "error", err)
	}
	picture, err := base64.StdEncoding.DecodeString(pixel)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "image/gif", picture)
}

// clicked counts a recipient who followed a link, and leads there. It leads
// nowhere else: the token is made for one address.
func (a *API) clicked(c *gin.Context) {
	to := c.Query("to")
	noticeID, err := a.Links.Clicked(c.Param("token"), to)
	if err != nil {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	if err := a.Store.CountClicked(c.Request.Context(), noticeID, a.Now().UTC()); err != nil && !errors.Is(err, pgstore.ErrNotFound) {
		a.Log.WarnContext(c.Request.Context(), "a click is not counted", "notification", noticeID, "error", err)
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Referrer-Policy", "no-referrer")
	c.Redirect(http.StatusFound, to)
}
