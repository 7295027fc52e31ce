package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	qrcode "github.com/skip2/go-qrcode"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/token"
)

var errNoTicket = fault.New(fault.Conflict, "no-ticket", "Only a confirmed RSVP has a ticket")

// ticketPixels is the side of the PNG: sharp on a phone, scanned from a screen.
const ticketPixels = 512

// ticket makes the QR code of the RSVP of the path.
func (a *API) ticket(c *gin.Context) (*qrcode.QRCode, error) {
	if err := paramsOf(c, "token").err(); err != nil {
		return nil, err
	}
	g, err := a.ownRSVP(c)
	if err != nil {
		return nil, err
	}
	if g.Status != contract.StatusConfirmed {
		return nil, errNoTicket.Detailf("It is %s.", g.Status)
	}
	text, err := a.Tickets.Sign(token.Ticket{EventID: g.EventID, RSVPID: g.RSVPID, Epoch: g.Epoch, PartySize: g.PartySize})
	if err != nil {
		return nil, fmt.Errorf("sign ticket of %s: %w", g.RSVPID, err)
	}
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("draw ticket of %s: %w", g.RSVPID, err)
	}
	c.Header("Cache-Control", "private, no-store")
	return code, nil
}

// ticketPNG answers GET /v1/rsvps/{id}/ticket.png.
func (a *API) ticketPNG(c *gin.Context) error {
	code, err := a.ticket(c)
	if err != nil {
		return err
	}
	picture, err := code.PNG(ticketPixels)
	if err != nil {
		return fmt.Errorf("draw ticket: %w", err)
	}
	c.Data(http.StatusOK, "image/png", picture)
	return nil
}

// ticketSVG answers GET /v1/rsvps/{id}/ticket.svg.
func (a *API) ticketSVG(c *gin.Context) error {
	code, err := a.ticket(c)
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "image/svg+xml", []byte(svg(code.Bitmap())))
	return nil
}

// svg draws each run of dark modules of a line as one stroke.
func svg(rows [][]bool) string {
	var path strings.Builder
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			run := x
			for run < len(row) && row[run] {
				run++
			}
			_, _ = fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x, y, run-x, run-x)
			x = run
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img" aria-label="Ticket">`+
		`<rect width="100%%" height="100%%" fill="#fff"/><path d="%s" fill="#000"/></svg>`, len(rows), len(rows), path.String())
}
