package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// setCover keeps the picture first and then lets the event point at it. One
// that a refused command leaves behind is swept.
func (a *API) setCover(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	if kind := strings.TrimSpace(strings.Split(c.GetHeader("Content-Type"), ";")[0]); !slices.Contains(coverTypes, kind) {
		return errPictureType.Detailf("Content-Type is %q; send image/png, image/jpeg or image/webp.", kind)
	}
	raw, err := httpserver.ReadBody(c)
	if err != nil {
		return err
	}
	picture, err := a.paint(c.Request.Context(), raw)
	if err != nil {
		return err
	}
	eventID := c.Param("id")
	sum := sha256.Sum256(picture.body)
	ctx := c.Request.Context()
	if err := a.Covers.Put(ctx, eventID, sum[:], picture.contentType, picture.body, a.Now()); err != nil {
		return err
	}
	if err := a.edit(c, actor, raw, &rsvp.SetCover{Revision: rev, Cover: &contract.Cover{
		SHA256: hex.EncodeToString(sum[:]), ContentType: picture.contentType, Width: picture.width, Height: picture.height,
	}}); err != nil {
		return err
	}
	return a.tidyCovers(c, eventID)
}

// easelWithin is how long an upload waits for those before it: less than the gateway waits for an answer.
const easelWithin = 8 * time.Second

// paint is remake, one at a time: a picture of a few kB can decode to hundreds of MB, and six of them at once took
// 2.9 GB and kept the role from answering for 15 s.
func (a *API) paint(ctx context.Context, raw []byte) (picture, error) {
	wait, cancel := context.WithTimeout(ctx, easelWithin)
	defer cancel()
	select {
	case a.easel <- struct{}{}:
		defer func() { <-a.easel }()
	case <-wait.Done():
		return picture{}, fault.ErrUnavailable.Detailf("Other pictures are being worked on.").After(2 * time.Second)
	}
	return remake(raw)
}

func (a *API) removeCover(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	if err := a.edit(c, actor, nil, &rsvp.SetCover{Revision: rev}); err != nil {
		return err
	}
	return a.tidyCovers(c, c.Param("id"))
}

// tidyCovers runs after the answer is on its way: what it leaves costs room only.
func (a *API) tidyCovers(c *gin.Context, eventID string) error {
	if err := a.Covers.Keep(c.Request.Context(), eventID, a.Now()); err != nil {
		a.Log.WarnContext(c.Request.Context(), "old covers not deleted", "event", eventID, "error", err)
	}
	return nil
}

// cover gives the picture's bytes, to everybody who may see the event.
func (a *API) cover(c *gin.Context) error {
	picture, err := a.Covers.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	cache := "public, max-age=300"
	if !picture.Announced {
		cache = "private, no-cache" // "public" would let a shared cache keep what only members may see
		accountID, err := a.bearer(c)
		if err != nil {
			return err
		}
		if accountID == "" {
			return fault.ErrNotFound
		}
		err = a.Organizations.Allow(c.Request.Context(), picture.OrganizationID, accountID, mayRead...)
		if err != nil {
			return err
		}
	}
	tag := `"` + hex.EncodeToString(picture.SHA256) + `"`
	h := c.Writer.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", cache)
	// A picture is never run as a page, whatever a browser makes of its bytes.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if c.GetHeader("If-None-Match") == tag {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.Data(http.StatusOK, picture.ContentType, picture.Body)
	return nil
}
