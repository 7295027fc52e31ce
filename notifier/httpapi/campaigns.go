package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/template"
)

var errCampaignEvent = fault.New(fault.Conflict, "campaign-event", "There can be no campaign for the event as it stands")

var errTooManyCampaigns = fault.New(fault.Conflict, "too-many-campaigns", "The event has as many campaigns as it may have")

// maxCampaigns of an event that are not over: each may plan a mail per guest, whatever the hourly limit lets go.
const maxCampaigns = 50

// campaignBody is the body of a request: subject, or variants.
type campaignBody struct {
	Name     string             `json:"name"`
	Subject  string             `json:"subject"`
	Variants []campaign.Variant `json:"variants"`
	Body     string             `json:"body"`
	Segment  campaign.Segment   `json:"segment"`
	StartsAt *time.Time         `json:"starts_at"`
}

type campaignView struct {
	ID         string           `json:"id"`
	EventID    string           `json:"event_id"`
	Name       string           `json:"name"`
	State      campaign.State   `json:"state"`
	Reason     string           `json:"reason"`
	Segment    campaign.Segment `json:"segment"`
	Variants   []variantView    `json:"variants"`
	Body       string           `json:"body"`
	StartsAt   *time.Time       `json:"starts_at"`
	StartedAt  *time.Time       `json:"started_at"`
	FinishedAt *time.Time       `json:"finished_at"`
	CreatedAt  time.Time        `json:"created_at"`
	// PerHour is the organization's limit, and why mail may wait.
	PerHour int            `json:"mails_per_hour"`
	Counts  *campaignTally `json:"counts,omitempty"`
}

type variantView struct {
	campaign.Variant
	Counts *variantTally `json:"counts,omitempty"`
}

type campaignTally struct {
	Matched    int            `json:"matched"`    // when it started
	Planned    bool           `json:"planned"`    // all of them are looked at
	Recipients int            `json:"recipients"` // get mail
	Skipped    map[string]int `json:"skipped"`    // get none, by why
}

type variantTally struct {
	Recipients int            `json:"recipients"`
	States     map[string]int `json:"states"`
	Opened     *int           `json:"opened"` // null: not counted
	Clicked    *int           `json:"clicked"`
}

func (a *API) viewCampaign(c pgstore.Campaign) campaignView {
	v := campaignView{ID: c.ID, EventID: c.EventID, Name: c.Name, State: c.State, Reason: c.Reason, Segment: c.Segment, Body: c.Body,
		StartsAt: orNil(c.StartsAt), StartedAt: orNil(c.StartedAt), FinishedAt: orNil(c.FinishedAt), CreatedAt: c.CreatedAt, PerHour: a.MailsPerHour}
	for _, one := range c.Variants {
		v.Variants = append(v.Variants, variantView{Variant: one})
	}
	return v
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// counted adds what became of a campaign. Opens and clicks are shown while the
// organization has them counted.
func (a *API) counted(c *gin.Context, row pgstore.Campaign) (campaignView, error) {
	v := a.viewCampaign(row)
	t, err := a.Store.TallyCampaign(c.Request.Context(), row.ID)
	if err != nil {
		return v, err
	}
	org, err := a.Store.Organization(c.Request.Context(), row.OrganizationID)
	if err != nil {
		return v, err
	}
	v.Counts = &campaignTally{Matched: t.Matched, Planned: row.Planned, Skipped: t.Skipped}
	for i := range v.Variants {
		counts := &variantTally{States: map[string]int{}}
		if n := t.Variants[i]; n != nil {
			counts.Recipients, counts.States = n.Recipients, n.States
			if org.Body.Tracking {
				counts.Opened, counts.Clicked = &n.Opened, &n.Clicked
			}
		} else if org.Body.Tracking {
			counts.Opened, counts.Clicked = new(int), new(int)
		}
		v.Variants[i].Counts = counts
		v.Counts.Recipients += counts.Recipients
	}
	return v, nil
}

// take reads and checks a campaign; it is complete afterwards.
func (b *campaignBody) take(c *gin.Context, now time.Time) error {
	if err := httpserver.DecodeJSON(c, b); err != nil {
		return err
	}
	var bad []fault.Field
	if len(b.Variants) > 0 && b.Subject != "" {
		bad = append(bad, fault.Field{Pointer: "/subject", Detail: "wants subject or variants, not both"})
	}
	if len(b.Variants) == 0 {
		b.Variants = []campaign.Variant{{Name: "A", Subject: b.Subject, Share: 100}}
		bad = append(bad, checkWords("/subject", template.Phrases{Subject: b.Subject})...)
	} else {
		for i, v := range b.Variants {
			bad = append(bad, checkWords(fmt.Sprintf("/variants/%d/subject", i), template.Phrases{Subject: v.Subject})...)
		}
		bad = append(bad, campaign.CheckVariants(b.Variants)...)
	}
	bad = append(bad, checkWords("/body", template.Phrases{Body: b.Body})...)
	if utf8.RuneCountInString(b.Name) > maxSubject || strings.ContainsFunc(b.Name, breaksLine) {
		bad = append(bad, fault.Field{Pointer: "/name", Detail: "wants one line of at most 200 characters"})
	}
	b.Segment = b.Segment.Complete()
	bad = append(bad, b.Segment.Check()...)
	if b.StartsAt != nil && (b.StartsAt.Before(now.Add(-time.Minute)) || b.StartsAt.After(now.AddDate(2, 0, 0))) {
		bad = append(bad, fault.Field{Pointer: "/starts_at", Detail: "wants a time within the next two years"})
	}
	if len(bad) > 0 {
		return fault.ErrInvalid.About(bad...)
	}
	return nil
}

// checkWords checks one text, which must be there.
func checkWords(pointer string, p template.Phrases) (bad []fault.Field) {
	if strings.TrimSpace(p.Subject+p.Body) == "" {
		return []fault.Field{{Pointer: pointer, Detail: "is missing"}}
	}
	for _, r := range template.CheckPhrases(p) {
		bad = append(bad, fault.Field{Pointer: pointer, Detail: r.Detail})
	}
	return bad
}

func (a *API) addCampaign(c *gin.Context) {
	ev, account, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	now := a.Now().UTC().Truncate(time.Microsecond)
	var body campaignBody
	if err := body.take(c, now); err != nil {
		httpserver.Problem(c, err)
		return
	}
	if err := campaignable(ev, now); err != nil {
		httpserver.Problem(c, err)
		return
	}
	row := pgstore.Campaign{EventID: ev.ID, OrganizationID: ev.OrganizationID, AccountID: account, Name: body.Name, State: campaign.Draft,
		Segment: body.Segment, Variants: body.Variants, Body: body.Body, CreatedAt: now}
	if body.StartsAt != nil {
		row.State, row.StartsAt = campaign.Scheduled, body.StartsAt.UTC()
	}
	if row.ID, err = id.New(); err == nil {
		row.RequestKey, row.RequestHash, err = requestKey(c, row.ID, ev.ID, body)
	}
	if err == nil {
		row, err = a.Store.AddCampaign(c.Request.Context(), row, maxCampaigns)
	}
	switch {
	case errors.Is(err, pgstore.ErrOtherRequest):
		err = errKeyReused
	case errors.Is(err, pgstore.ErrTooManyCampaigns):
		err = errTooManyCampaigns.Detailf("%d are not over; cancel some of them first.", maxCampaigns)
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	a.WakeCampaigns()
	c.JSON(http.StatusCreated, a.viewCampaign(row))
}

// campaignable: a campaign invites to an event that can still be visited, or
// writes to its guests until it is over.
func campaignable(ev *notice.Event, now time.Time) error {
	switch {
	case ev.Body.Status != contract.EventPublished:
		return errCampaignEvent.Detailf("The event is %s; a campaign needs a published one.", ev.Body.Status)
	case now.After(ev.Body.EndsAt):
		return errCampaignEvent.Detailf("The event is over.")
	default:
		return nil
	}
}

// requestKey is the client's Idempotency-Key, or else one of ours, with what it was used for.
func requestKey(c *gin.Context, otherwise, eventID string, body any) (key string, hash []byte, err error) {
	key = strings.Trim(c.GetHeader("Idempotency-Key"), `"`)
	switch {
	case key == "" && len(c.Request.Header.Values("Idempotency-Key")) > 0, len(key) > maxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return "", nil, errKey.About(fault.Field{Pointer: "Idempotency-Key", Detail: "wants 1 to 255 printable characters"})
	case key == "":
		key = otherwise
	}
	canonical, err := json.Marshal(body)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(append([]byte(eventID+"\n"), canonical...))
	return key, sum[:], nil
}

func (a *API) listCampaigns(c *gin.Context) {
	ev, _, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	list, err := a.Store.Campaigns(c.Request.Context(), ev.ID, maxLimit)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]campaignView, len(list))
	for i, row := range list {
		items[i] = a.viewCampaign(row)
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
}

// campaignOf requires who may write to guests, and a campaign of the event.
func (a *API) campaignOf(c *gin.Context) (*notice.Event, pgstore.Campaign, error) {
	ev, _, err := a.organizer(c)
	if err != nil {
		return nil, pgstore.Campaign{}, err
	}
	if !id.Valid(c.Param("campaign")) {
		return nil, pgstore.Campaign{}, fault.ErrNotFound
	}
	row, err := a.Store.Campaign(c.Request.Context(), c.Param("campaign"))
	if errors.Is(err, pgstore.ErrNotFound) || err == nil && row.EventID != ev.ID {
		return nil, row, fault.ErrNotFound
	}
	return ev, row, err
}

func (a *API) getCampaign(c *gin.Context) {
	_, row, err := a.campaignOf(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	v, err := a.counted(c, row)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

// moveCampaign starts, pauses, resumes or cancels.
func (a *API) moveCampaign(action campaign.Action) gin.HandlerFunc {
	return func(c *gin.Context) {
		ev, row, err := a.campaignOf(c)
		now := a.Now().UTC().Truncate(time.Microsecond)
		if err == nil && (action == campaign.Start || action == campaign.Resume) {
			err = campaignable(ev, now)
		}
		if err == nil {
			row, err = a.Store.MoveCampaign(c.Request.Context(), row.ID, action, "by-member", now)
			a.WakeCampaigns() // also when it failed: only the word of the commit may have been lost
		}
		if err != nil {
			httpserver.Problem(c, err)
			return
		}
		v, err := a.counted(c, row)
		if err != nil {
			httpserver.Problem(c, err)
			return
		}
		c.JSON(http.StatusOK, v)
	}
}
