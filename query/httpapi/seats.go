package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

// seats reads an event's seats for somebody who may see them.
func (a *API) seats(c *gin.Context) (reader.Seats, error) {
	eventID := c.Param("id")
	if !id.Valid(eventID) {
		return reader.Seats{}, fault.ErrNotFound
	}
	want, err := least(c)
	if err != nil {
		return reader.Seats{}, err
	}
	s, err := a.Hub.SeatsAtLeast(c.Request.Context(), eventID, want)
	if err != nil {
		return s, err
	}
	return s, a.mayKnow(c, s.Event)
}

// remembered answers from memory what is there, and leaves the rest to next.
// This is the busiest read of all: it takes no timer, no lock but the entry's,
// and no store.
func (a *API) remembered(next gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.URL.RawQuery == "" && c.GetHeader(HeaderMinVersion) == "" {
			if s, ok := a.Hub.Remembered(c.Param("id")); ok {
				if err := sendSeats(c, s); err != nil {
					a.answer(c, func(*gin.Context) error { return err })
				}
				return
			}
		}
		next(c)
	}
}

// availability answers GET /v1/events/{id}/availability.
func (a *API) availability(c *gin.Context) error {
	if c.Request.URL.RawQuery != "" {
		if err := paramsOf(c).err(); err != nil {
			return err
		}
	}
	s, err := a.seats(c)
	if err != nil {
		return err
	}
	return sendSeats(c, s)
}

func sendSeats(c *gin.Context, s reader.Seats) error {
	if s.Degraded != "" {
		c.Header(HeaderDegraded, s.Degraded)
	}
	c.Header("Cache-Control", "no-cache")
	return sendJSON(c, etagOf(s.Body), s.Body) // a repair may leave the version as it is
}

const (
	heartbeat    = 15 * time.Second
	writeBound   = 5 * time.Second // a viewer whose connection takes nothing for this long is let go
	reconnectMin = 1 * time.Second
)

// stream answers GET /v1/events/{id}/availability/stream with server-sent
// events. Last-Event-ID is a version: what is there is sent if it is another. A
// lower one was repaired, or this process is behind by a moment and sends the
// newer one next; waiting for it could be for ever.
func (a *API) stream(c *gin.Context) error {
	if err := paramsOf(c, "last_event_id").err(); err != nil {
		return err
	}
	view, s, err := a.openView(c)
	if err != nil {
		return err
	}
	defer view.Close()
	last := lastEventID(c)
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if s.Degraded != "" {
		h.Set(HeaderDegraded, s.Degraded)
	}
	w := &eventStream{c: c, control: http.NewResponseController(c.Writer)}
	w.write(fmt.Sprintf("retry: %d\n\n", reconnectMin.Milliseconds()))
	if s.Version != last {
		w.send(s)
		last = s.Version
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for w.err == nil {
		select {
		case <-view.Changed:
			if s, repaired := view.Latest(); repaired || s.Version > last {
				w.send(s)
				last = s.Version
			}
		case <-beat.C:
			w.write(": still here\n\n")
		case <-a.Draining:
			return nil // the client comes back, to another process or to the next one
		case <-c.Request.Context().Done():
			return nil
		}
	}
	return nil
}

// openView watches before it reads, so that no change falls between.
func (a *API) openView(c *gin.Context) (*reader.View, reader.Seats, error) {
	if !id.Valid(c.Param("id")) {
		return nil, reader.Seats{}, fault.ErrNotFound
	}
	view := a.Hub.Watch(c.Param("id"))
	s, err := a.seats(c)
	if err != nil {
		view.Close()
		return nil, s, err
	}
	return view, s, nil
}

func lastEventID(c *gin.Context) int64 {
	v := c.GetHeader("Last-Event-ID")
	if v == "" {
		v = c.Query("last_event_id") // EventSource cannot set a header when it first connects
	}
	n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

type eventStream struct {
	c       *gin.Context
	control *http.ResponseController
	err     error
}

func (w *eventStream) send(s reader.Seats) {
	w.write("id: " + strconv.FormatInt(s.Version, 10) + "\nevent: availability\ndata: " + string(s.Body) + "\n\n")
}

func (w *eventStream) write(s string) {
	if w.err != nil {
		return
	}
	// Not every writer has deadlines (a test's recorder); then the kernel's buffer is the bound.
	_ = w.control.SetWriteDeadline(time.Now().Add(writeBound))
	if _, w.err = w.c.Writer.WriteString(s); w.err == nil {
		w.err = w.control.Flush()
	}
}
