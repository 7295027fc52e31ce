package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// door is what the page of the door is made of: docs/door.md.
type door struct {
	version string   // of the files: another one is another worker
	scripts []string // in the order in which the page needs them
	worker  []byte
	keys    []string // with which a device verifies tickets: public, base64url
}

// maxDoorBody is command's own bound of a body.
const maxDoorBody = 256 << 10

func doorRoutes(r *gin.RouterGroup, p *pages) {
	r.Use(p.guardForms)
	r.GET("/sw.js", p.doorWorker)
	o := r.Group("", p.signedIn, httpserver.LimitBody(maxDoorBody))
	o.GET("/:event", p.doorPage)
	o.GET("/:event/guests", p.doorGuests)
	o.GET("/:event/counts", p.doorCounts)
	o.POST("/:event/check-ins", p.doorCheckIn)
	o.DELETE("/:event/check-ins/:rsvp", p.doorUndo)
	o.POST("/:event/check-ins/batch", p.doorMerge)
	o.POST("/:event/rsvps", p.doorWalkIn)
}

func newDoor(ring *seal.Keyring) (*door, error) {
	d := &door{}
	tickets, err := token.NewTickets(ring)
	if err != nil {
		return nil, err
	}
	for _, key := range tickets.PublicKeys() {
		d.keys = append(d.keys, base64.RawURLEncoding.EncodeToString(key))
	}
	hash := sha256.New()
	read := func(name string) []byte {
		b, e := fs.ReadFile(staticFiles, "static/"+name)
		err = errors.Join(err, e)
		hash.Write(b)
		return b
	}
	for _, name := range []string{"rules", "ticket", "words", "store", "link", "live", "camera", "view", "device", "page"} {
		read("door/" + name + ".js")
		d.scripts = append(d.scripts, "/static/door/"+name+".js")
	}
	for _, name := range []string{"door.css", "door/jsQR.js", "turnout.css", "icon.svg"} {
		read(name)
	}
	layout, e := fs.ReadFile(templateFiles, "templates/door.html")
	hash.Write(layout)
	worker := read("door/sw.js")
	if err = errors.Join(err, e); err != nil {
		return nil, fmt.Errorf("files of the door: %w", err)
	}
	d.version = hex.EncodeToString(hash.Sum(nil)[:6])
	for i := range d.scripts {
		d.scripts[i] += "?v=" + d.version
	}
	shell, err := json.Marshal(slices.Concat(d.scripts, []string{
		"/static/door.css?v=" + d.version, "/static/door/jsQR.js?v=" + d.version, "/static/turnout.css", "/static/icon.svg",
	}))
	d.worker = fmt.Appendf(nil, "const SHELL = %s;\n%s", shell, worker)
	return d, err
}

// doorWorker is the service worker of /door/ alone: its address bounds what it speaks for.
func (p *pages) doorWorker(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "text/javascript; charset=utf-8", p.door.worker)
}

type doorPage struct {
	Title, Version, Keys string
	Scripts              []string
	Event                eventView
	Edits                bool
}

// doorPage holds no guest: the script asks for them, and keeps them on the device.
func (p *pages) doorPage(c *gin.Context) {
	var e eventView
	if err := p.readEvent(c, c.Param("event"), &e); err != nil {
		p.memberSorry(c, err)
		return
	}
	org, err := p.membership(c, e.OrganizationID, "")
	switch {
	case errors.Is(err, nothingHere): // a public event, but not this member's
		p.sorry(c, &problem{Status: http.StatusNotFound, Title: "There is no door for you here", Detail: "Sign in as a member of the event's organization."})
		return
	case err != nil:
		p.memberSorry(c, err)
		return
	case !org.Guests():
		p.sorry(c, &problem{Status: http.StatusForbidden, Title: "The door is not yours", Detail: "Analysts see figures. An owner can give you the role door."})
		return
	case e.ID != c.Param("event"): // by its slug
		c.Redirect(http.StatusSeeOther, "/door/"+e.ID)
		return
	}
	c.Header("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
	p.show(c, http.StatusOK, "door", doorPage{
		Title: "Door: " + e.Title, Version: p.door.version, Scripts: p.door.scripts, Keys: strings.Join(p.door.keys, " "), Event: e, Edits: org.Edits(),
	})
}

// doorGuest is a guest as the door needs them, and no more: a device may be lost.
type doorGuest struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Email     string          `json:"email,omitempty"`
	Status    string          `json:"status"`
	Party     int             `json:"party"`
	In        int             `json:"in"`
	Version   int64           `json:"version"`
	Conflicts []contract.Scan `json:"conflicts,omitempty"`
}

// doorPages are so many of the API's in one answer: a hall's list in few requests, each of bounded work.
const doorPages = 10

// doorGuests is a part of the guest list in the order of answering, in which nobody changes place while it is read.
func (p *pages) doorGuests(c *gin.Context) {
	event, ok := doorEvent(c)
	if !ok {
		return
	}
	out := struct {
		Items []doorGuest `json:"items"`
		Next  *string     `json:"next_cursor"`
		Total int         `json:"total"`
	}{Items: []doorGuest{}}
	q := url.Values{"sort": {"created"}, "limit": {"100"}}
	if cursor := c.Query("cursor"); cursor != "" {
		q.Set("cursor", cursor)
	}
	for range doorPages {
		var page struct {
			Items []struct {
				rsvpView
				Email     string          `json:"email"`
				CheckedIn int             `json:"checked_in"`
				Conflicts []contract.Scan `json:"conflicts"`
			} `json:"items"`
			Next  *string `json:"next_cursor"`
			Total int     `json:"total"`
		}
		_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.query+"/v1/events/"+event+"/guests?"+q.Encode(), nil, &page,
			by(c, "Turnout-Min-Version", c.Query("v")))
		if err != nil {
			p.doorProblem(c, err)
			return
		}
		for _, r := range page.Items {
			out.Items = append(out.Items, doorGuest{r.ID, r.Name, r.Email, r.Status, r.PartySize, r.CheckedIn, r.Version, r.Conflicts})
		}
		if out.Next, out.Total = page.Next, page.Total; page.Next == nil {
			break
		}
		q.Set("cursor", *page.Next)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, out)
}
