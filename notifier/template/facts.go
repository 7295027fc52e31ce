package template

import (
	"strings"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// notes are what the moment adds to the lead.
func (l *locale) notes(v *view, d *notice.Delivery) {
	if d.Notice.Kind == notice.Waitlisted {
		if d.Ahead == 0 {
			v.Notes = append(v.Notes, l.Words.First)
		} else {
			v.Notes = append(v.Notes, l.count(l.Words.Ahead, d.Ahead))
		}
	}
	switch d.Notice.Kind {
	case notice.EventCancelled, notice.EventMoved, notice.Cancelled, notice.Rejected:
		if reason := strings.TrimSpace(d.Notice.Detail.Reason); reason != "" && d.Notice.Detail.By != "guest" {
			v.Notes = append(v.Notes, "“"+oneLine(reason)+"”")
		}
	}
}

// rows are the facts: when, where, how many.
func (l *locale) rows(v *view, c Content) {
	d := c.Delivery
	e := &d.Event.Body
	zone := l.zones.event(e)
	start := l.moment(e.StartsAt, zone)
	ends := l.clock(e.EndsAt.In(zone))
	if !sameDay(e.StartsAt.In(zone), e.EndsAt.In(zone)) {
		ends = l.moment(e.EndsAt, zone)
	}
	when := row{Label: l.Words.When, Value: start + " " + l.Words.Until + " " + ends}
	if own := l.zones.guest(d); differs(own, zone, e.StartsAt) {
		when.Value += "; " + l.Words.YourTime + ": " + l.moment(e.StartsAt, own)
	}
	if was := d.Notice.Detail.WasStart; was != nil {
		when.Was = l.Words.Was + " " + l.moment(*was, zone)
	}
	v.Rows = append(v.Rows, when)
	if where := Place(e); where != "" {
		r := row{Label: l.Words.Where, Value: where}
		if d.Notice.Detail.WasPlace != "" && d.Notice.Kind == notice.EventMoved {
			r.Was = l.Words.Was + " " + oneLine(d.Notice.Detail.WasPlace)
		}
		v.Rows = append(v.Rows, r)
	} else if e.Online || e.OnlineURL != "" {
		v.Rows = append(v.Rows, row{Label: l.Words.Where, Value: l.Words.Online})
	}
	// The link to join goes only to those who have a seat.
	if seated(d) && e.OnlineURL != "" {
		v.Rows = append(v.Rows, row{Label: l.Words.Join, Value: e.OnlineURL, Link: e.OnlineURL})
	}
	if d.Guest.PartySize > 1 && showsParty(d.Notice.Kind) {
		v.Rows = append(v.Rows, row{Label: l.Words.Party, Value: l.count(l.Words.Person, d.Guest.PartySize)})
	}
}

// links: one button for what the guest should do, the rest below.
func (l *locale) links(v *view, c Content) {
	manage := link{Label: l.Words.Manage, URL: c.Manage}
	switch c.Delivery.Notice.Kind {
	case notice.PendingAddress:
		v.Button = &link{Label: l.Words.Confirm, URL: c.Manage}
	case notice.Offer:
		v.Button = &link{Label: l.Words.Accept, URL: c.Manage}
	case notice.ThankYou:
		v.Button = &link{Label: l.Words.Survey, URL: c.Manage}
	case notice.OfferExpired, notice.PendingExpired, notice.Rejected:
		v.Button = &link{Label: l.Words.Page, URL: c.Page}
		return
	case notice.Campaign:
		v.Button = &link{Label: l.Words.Page, URL: c.Page}
		if ofEvent(c.Delivery) {
			v.More = append(v.More, manage)
		}
		return
	default:
		v.Button = &manage
	}
	if c.Answers != "" {
		v.More = append(v.More, link{Label: l.Words.Answers, URL: c.Answers})
	}
	if c.Page != "" {
		v.More = append(v.More, link{Label: l.Words.Page, URL: c.Page})
	}
}

func seated(d *notice.Delivery) bool {
	return ofEvent(d) && d.Guest.Status == contract.StatusConfirmed && d.Event.Body.Status == contract.EventPublished
}

// ofEvent: a campaign can also reach guests of the organization's other events.
func ofEvent(d *notice.Delivery) bool {
	return d.Notice.Kind != notice.Campaign || d.Guest.EventID == d.Event.ID
}

func showsParty(k notice.Kind) bool {
	switch k {
	case notice.Confirmation, notice.Waitlisted, notice.Promoted, notice.Offer, notice.Changed, notice.Maybe, notice.Reminder:
		return true
	default:
		return false
	}
}
