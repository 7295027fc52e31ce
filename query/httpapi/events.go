package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/query/reader"
)

// event answers GET /v1/events/{id or slug}. Its ETag is the revision, which
// If-Match takes; the seats beside it move without it, so nothing may keep the
// answer.
func (a *API) event(c *gin.Context) error {
	if err := paramsOf(c).err(); err != nil {
		return err
	}
	want, err := least(c)
	if err != nil {
		return err
	}
	e, err := a.Stores.EventAtLeast(c.Request.Context(), c.Param("id"), want)
	if err != nil {
		return err
	}
	if err := a.mayKnow(c, reader.OwnerOf(&e.Event)); err != nil {
		return err
	}
	body := eventJSON(nil, e.ID, e.Raw, e.Version, e.Seats, nil)
	if e.Degraded != "" {
		c.Header(HeaderDegraded, e.Degraded)
	}
	c.Header(HeaderVersion, e.ID+"@"+strconv.FormatInt(e.Version, 10))
	c.Header("Cache-Control", "no-store")
	return sendJSON(c, `"`+strconv.FormatInt(e.Revision, 10)+`"`, body)
}

// eventJSON appends an event as it is answered: contract.Event as it is stored,
// then its version, its seats and, where asked for, how far it is. The stored
// bytes are not parsed for it.
func eventJSON(out []byte, id string, raw json.RawMessage, version int64, seats contract.Counters, distance *float64) []byte {
	out = append(out, bytes.TrimSuffix(bytes.TrimSpace(raw), []byte("}"))...)
	out = append(out, `,"version":`...)
	out = strconv.AppendInt(out, version, 10)
	out = append(out, `,"availability":`...)
	out = document.NewAvailability(id, version, seats).Append(out)
	if distance != nil {
		out = append(out, `,"distance_km":`...)
		out = strconv.AppendFloat(out, *distance, 'f', 3, 64)
	}
	return append(out, '}')
}
