package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// previewWithin bounds how long recipients are counted; what was found until
// then is shown, as at least so many.
const previewWithin = 5 * time.Second

// maxPreviews are counted at once: each holds a connection that mail waits for.
const maxPreviews = 2

type previewView struct {
	Recipients int              `json:"recipients"`
	Skipped    map[string]int   `json:"skipped"`
	Exact      bool             `json:"exact"`
	Segment    campaign.Segment `json:"segment"`
	Hours      int              `json:"hours"` // that its mail takes at the limit, if nothing else waits
	Variants   []previewVariant `json:"variants"`
}

type previewVariant struct {
	Name       string `json:"name"`
	Recipients int    `json:"recipients"`
	Subject    string `json:"subject"`
	Text       string `json:"text"`
	HTML       string `json:"html"`
}

// previewCampaign shows what a campaign would be, and keeps nothing.
func (a *API) previewCampaign(c *gin.Context) {
	ev, _, err := a.organizer(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	var body campaignBody
	if err := body.take(c, a.Now().UTC()); err != nil {
		httpserver.Problem(c, err)
		return
	}
	a.preview(c, ev, "preview", body.Segment, body.Variants, body.Body)
}

func (a *API) previewSavedCampaign(c *gin.Context) {
	ev, row, err := a.campaignOf(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	a.preview(c, ev, row.ID, row.Segment, row.Variants, row.Body)
}

func (a *API) preview(c *gin.Context, ev *notice.Event, campaignID string, s campaign.Segment, variants []campaign.Variant, body string) {
	locale := template.Languages[0]
	if given, there := c.GetQuery("locale"); there {
		if locale = given; !slices.Contains(template.Languages, given) {
			httpserver.Problem(c, fault.ErrInvalid.About(fault.Field{Pointer: "locale", Detail: "is not one of the languages"}))
			return
		}
	}
	v := previewView{Skipped: map[string]int{}, Exact: true, Segment: s, Variants: make([]previewVariant, len(variants))}
	if err := a.count(c, ev, campaignID, s, variants, &v); err != nil {
		httpserver.Problem(c, err)
		return
	}
	v.Hours = (v.Recipients + a.MailsPerHour - 1) / a.MailsPerHour
	for i, one := range variants {
		d, err := a.sampleDelivery(c, ev, notice.Campaign, locale, sample{PartySize: 1})
		if err != nil {
			httpserver.Problem(c, err)
			return
		}
		if s.Scope == campaign.ScopeOrganization {
			d.Guest.EventID = "" // a guest of another event
		}
		d.Notice.Detail.Subject, d.Notice.Detail.Body = one.Subject, body
		mail, err := a.render(d, "")
		if err != nil {
			httpserver.Problem(c, err)
			return
		}
		v.Variants[i].Name, v.Variants[i].Subject, v.Variants[i].Text, v.Variants[i].HTML = one.Name, mail.Subject, mail.Text, mail.HTML
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, v)
}

// count goes through the guests as the campaign will when it starts.
func (a *API) count(c *gin.Context, ev *notice.Event, campaignID string, s campaign.Segment, variants []campaign.Variant, v *previewView) error {
	defer a.previews.Add(-1)
	if a.previews.Add(1) > maxPreviews {
		return fault.ErrUnavailable.Detailf("Others are counting the guests of their segments.").After(2 * time.Second)
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), previewWithin)
	defer cancel()
	attended := map[string]bool{}
	var err error
	if s.AttendedBefore != nil {
		err = a.Store.Attended(ctx, ev.OrganizationID, ev.ID, ev.Body.StartsAt, func(batch []campaign.Candidate) error {
			if err := campaign.Identify(ctx, a.Keys, batch); err != nil {
				return err
			}
			for _, g := range batch {
				attended[g.Identity] = g.Identity != ""
			}
			return nil
		})
	}
	sieve := campaign.NewSieve(s, attended)
	if err == nil {
		err = a.Store.Matching(ctx, ev.ID, ev.OrganizationID, s, func(batch []campaign.Candidate) error {
			if s.NeedsIdentity() {
				if err := campaign.Identify(ctx, a.Keys, batch); err != nil {
					return err
				}
			}
			for _, g := range batch {
				if skip := sieve.Take(g); skip != "" {
					v.Skipped[skip]++
					continue
				}
				v.Recipients++
				v.Variants[campaign.Pick(campaignID, g.RSVPID, variants)].Recipients++
			}
			return nil
		})
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		v.Exact = false
		return nil
	}
	return err
}
