package httpapi

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/query/reader"
)

var rangeParams = []string{"from", "to", "time_zone"}

func rangeOf(p *params) reader.Range {
	zone := p.zone("time_zone")
	r := reader.Range{From: p.moment("from", zone), To: p.moment("to", zone), Zone: zone}
	if r.From != nil && r.To != nil && r.To.Before(*r.From) {
		p.complain("to", "is before from")
	}
	return r
}

// analyticsOf reads what every analytics route of an organization takes.
func (a *API) analyticsOf(c *gin.Context, more ...string) (*params, reader.FactsQuery, error) {
	p := paramsOf(c, append(more, rangeParams...)...)
	q := reader.FactsQuery{Range: rangeOf(p)}
	p.limit()
	if err := p.err(); err != nil {
		return p, q, err
	}
	org, err := a.ownOrganization(c, rolesAnalytics)
	if err != nil {
		return p, q, err
	}
	q.Organization = org
	return p, q, a.visible(c, document.Facts, document.Listings)
}

// visible waits until searches on the indices see what is asked for.
func (a *API) visible(c *gin.Context, indices ...string) error {
	want, err := least(c)
	if err != nil {
		return err
	}
	for _, index := range indices {
		if err := a.Stores.Visible(c.Request.Context(), index, want); err != nil {
			return err
		}
	}
	return nil
}

// overview answers GET /v1/organizations/{org}/analytics/overview.
func (a *API) overview(c *gin.Context) error {
	_, q, err := a.analyticsOf(c)
	if err != nil {
		return err
	}
	flow, err := a.Stores.Flow(c.Request.Context(), q)
	if err != nil {
		return err
	}
	usage, err := a.Stores.Utilization(c.Request.Context(), q.Organization, q.Range, a.Now())
	if err != nil {
		return err
	}
	mails, err := a.Stores.Mails(c.Request.Context(), q)
	if err != nil {
		return err
	}
	return sendPrivate(c, struct {
		reader.Flow
		reader.Totals
		Mail []reader.Mails `json:"mail"`
	}{flow, reader.Total(usage), mails})
}

// popular answers GET …/analytics/popular: most confirmations first.
func (a *API) popular(c *gin.Context) error { return a.byEvent(c, "confirmations") }

// cancellations answers GET …/analytics/cancellations: most of them first.
func (a *API) cancellations(c *gin.Context) error { return a.byEvent(c, "cancellations") }

func (a *API) byEvent(c *gin.Context, order string) error {
	p, q, err := a.analyticsOf(c, "limit")
	if err != nil {
		return err
	}
	return items(c, func(ctx context.Context) ([]reader.EventFlow, error) {
		return a.Stores.ByEvent(ctx, q, order, p.limit())
	})
}

// daily answers GET …/analytics/daily.
func (a *API) daily(c *gin.Context) error {
	_, q, err := a.analyticsOf(c)
	if err != nil {
		return err
	}
	return items(c, func(ctx context.Context) ([]reader.Day, error) { return a.Stores.Daily(ctx, q) })
}

// utilization answers GET …/analytics/utilization.
func (a *API) utilization(c *gin.Context) error {
	_, q, err := a.analyticsOf(c)
	if err != nil {
		return err
	}
	return items(c, func(ctx context.Context) ([]reader.Usage, error) {
		return a.Stores.Utilization(ctx, q.Organization, q.Range, a.Now())
	})
}

func items[T any](c *gin.Context, load func(context.Context) ([]T, error)) error {
	all, err := load(c.Request.Context())
	if err != nil {
		return err
	}
	return sendPrivate(c, list[T]{Items: all})
}

// eventAnalytics answers GET /v1/events/{id}/analytics.
func (a *API) eventAnalytics(c *gin.Context) error {
	p := paramsOf(c, rangeParams...)
	span := rangeOf(p)
	if err := p.err(); err != nil {
		return err
	}
	e, err := a.ownEvent(c, rolesAnalytics)
	if err != nil {
		return err
	}
	if err := a.visible(c, document.Facts, document.GuestList); err != nil {
		return err
	}
	ctx := c.Request.Context()
	q := reader.FactsQuery{Event: e.ID, Range: span}
	flow, err := a.Stores.Flow(ctx, q)
	if err != nil {
		return err
	}
	days, err := a.Stores.Daily(ctx, q)
	if err != nil {
		return err
	}
	figures, err := a.Stores.EventFigures(ctx, e, span, a.Now())
	if err != nil {
		return err
	}
	mails, err := a.Stores.Mails(ctx, q)
	if err != nil {
		return err
	}
	return sendPrivate(c, struct {
		EventID string `json:"event_id"`
		reader.Flow
		Days []reader.Day `json:"answers_over_time"`
		reader.EventFigures
		Mail []reader.Mails `json:"mail"`
	}{e.ID, flow, days, figures, mails})
}
