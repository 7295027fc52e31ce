package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/template"
)

// wording is the body of a request, and of an answer.
type wording struct {
	Subject string `json:"subject"`
	Intro   string `json:"intro"`
	Body    string `json:"body"`
}

type wordingView struct {
	Kind   string `json:"kind"`
	Locale string `json:"locale"`
	wording
	BuiltIn   bool       `json:"built_in"` // nothing of it was changed
	UpdatedAt *time.Time `json:"updated_at"`
}

// wordable are the kinds whose words can be replaced: campaigns and
// announcements bring their own.
func wordable(kind notice.Kind) bool {
	return slices.Contains(notice.Kinds, kind) && kind != notice.Announcement && kind != notice.Campaign
}

// templateOf reads what all routes of a template need: kind and language too.
func (a *API) templateOf(c *gin.Context) (ev *notice.Event, account string, kind notice.Kind, locale string, err error) {
	if ev, account, err = a.organizer(c); err != nil {
		return nil, "", "", "", err
	}
	kind, locale = notice.Kind(c.Param("kind")), template.Languages[0]
	if !wordable(kind) {
		return nil, "", "", "", fault.ErrNotFound.Detailf("There is no mail of the kind %q whose words can be changed.", kind)
	}
	for name := range c.Request.URL.Query() {
		if name != "locale" {
			return nil, "", "", "", fault.ErrInvalid.About(fault.Field{Pointer: name, Detail: "unknown parameter"})
		}
	}
	if given, there := c.GetQuery("locale"); there {
		if !slices.Contains(template.Languages, given) {
			return nil, "", "", "", fault.ErrInvalid.About(fault.Field{Pointer: "locale", Detail: "wants " + strings.Join(template.Languages, ", ")})
		}
		locale = given
	}
	return ev, account, kind, locale, nil
}

func (a *API) viewWording(kind notice.Kind, locale string, w pgstore.Wording) wordingView {
	v := wordingView{Kind: string(kind), Locale: locale, wording: wording(w.Words), BuiltIn: w.UpdatedAt.IsZero()}
	if !v.BuiltIn {
		at := w.UpdatedAt
		v.UpdatedAt = &at
	}
	return v
}

func (a *API) listTemplates(c *gin.Context) {
	ev, _, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	list, err := a.Store.Wordings(c.Request.Context(), ev.ID)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]wordingView, len(list))
	for i, w := range list {
		items[i] = a.viewWording(w.Kind, w.Locale, w)
	}
	type field struct {
		Name    string `json:"name"`
		Meaning string `json:"meaning"`
	}
	fields := make([]field, len(template.Fields))
	for i, f := range template.Fields {
		fields[i] = field(f)
	}
	var kinds []notice.Kind
	for _, k := range notice.Kinds {
		if wordable(k) {
			kinds = append(kinds, k)
		}
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil, "kinds": kinds, "locales": template.Languages,
		"fields": fields, "functions": template.Functions})
}

func (a *API) getTemplate(c *gin.Context) {
	ev, _, kind, locale, err := a.templateOf(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	w, err := a.Store.Wording(c.Request.Context(), ev.ID, kind, locale)
	if err != nil && !errors.Is(err, pgstore.ErrNotFound) {
		httpserver.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, a.viewWording(kind, locale, w))
}

func (w wording) check() error {
	var bad []fault.Field
	for _, r := range template.CheckPhrases(template.Phrases(w)) {
		bad = append(bad, fault.Field{Pointer: "/" + r.Field, Detail: r.Detail})
	}
	if len(bad) > 0 {
		return fault.ErrInvalid.About(bad...)
	}
	return nil
}

func (a *API) putTemplate(c *gin.Context) {
	ev, account, kind, locale, err := a.templateOf(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	var body wording
	if err := httpserver.DecodeJSON(c, &body); err != nil {
		httpserver.Problem(c, err)
		return
	}
	if err := body.check(); err != nil {
		httpserver.Problem(c, err)
		return
	}
	if body == (wording{}) {
		httpserver.Problem(c, fault.ErrInvalid.About(fault.Field{Pointer: "", Detail: "wants subject, intro or body; DELETE goes back to the built-in text"}))
		return
	}
	w := pgstore.Wording{EventID: ev.ID, Kind: kind, Locale: locale, Words: notice.Wording(body), AccountID: account,
		UpdatedAt: a.Now().UTC().Truncate(time.Microsecond)}
	if err := a.Store.SaveWording(c.Request.Context(), w); err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, a.viewWording(kind, locale, w))
}

func (a *API) deleteTemplate(c *gin.Context) {
	ev, _, kind, locale, err := a.templateOf(c)
	if err == nil {
		err = a.Store.DeleteWording(c.Request.Context(), ev.ID, kind, locale)
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
