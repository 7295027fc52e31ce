package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/template"
)

var (
	errTestLimit = fault.New(fault.TooMany, "test-mail-limit", "You have had enough test mails for this hour")
	errTestMail  = fault.New(fault.Unavailable, "test-mail-refused", "The mail server did not take the test mail")
)

// testMails is how many one member gets within an hour.
const testMails = 20

// testMailWithin bounds how long a member waits for the mail server.
const testMailWithin = 30 * time.Second

// proposal is what a preview or a test is asked for: with no words those that are
// saved, or built in.
type proposal struct {
	Subject *string `json:"subject"`
	Intro   *string `json:"intro"`
	Body    *string `json:"body"`
	// Guest stands in for the guest.
	Guest sample `json:"guest"`
}

type sample struct {
	Name      string `json:"name"`
	PartySize int    `json:"party_size"`
	Position  int    `json:"position"`
	TimeZone  string `json:"time_zone"`
}

func (s sample) check() error {
	var bad []fault.Field
	if len(s.Name) > 200 || strings.ContainsFunc(s.Name, breaksLine) {
		bad = append(bad, fault.Field{Pointer: "/guest/name", Detail: "wants one line of at most 200 bytes"})
	}
	if s.PartySize < 0 || s.PartySize > 1000 {
		bad = append(bad, fault.Field{Pointer: "/guest/party_size", Detail: "wants 1 to 1000"})
	}
	if s.Position < 0 || s.Position > 1_000_000 {
		bad = append(bad, fault.Field{Pointer: "/guest/position", Detail: "wants 1 to 1000000"})
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		bad = append(bad, fault.Field{Pointer: "/guest/time_zone", Detail: "is not an IANA zone"})
	}
	if len(bad) > 0 {
		return fault.ErrInvalid.About(bad...)
	}
	return nil
}

// sampled makes a delivery to a guest that does not exist, in the words proposed.
func (a *API) sampled(c *gin.Context) (*notice.Delivery, string, sample, error) {
	ev, account, kind, locale, err := a.templateOf(c)
	if err != nil {
		return nil, "", sample{}, err
	}
	body := proposal{}
	if c.Request.ContentLength != 0 {
		if err := httpserver.DecodeJSON(c, &body); err != nil {
			return nil, "", sample{}, err
		}
	}
	if err := body.Guest.check(); err != nil {
		return nil, "", sample{}, err
	}
	saved, err := a.Store.Wording(c.Request.Context(), ev.ID, kind, locale)
	if err != nil && !errors.Is(err, pgstore.ErrNotFound) {
		return nil, "", sample{}, err
	}
	words := wording(saved.Words)
	for _, part := range []struct {
		given *string
		into  *string
	}{{body.Subject, &words.Subject}, {body.Intro, &words.Intro}, {body.Body, &words.Body}} {
		if part.given != nil {
			*part.into = *part.given
		}
	}
	if err := words.check(); err != nil {
		return nil, "", sample{}, err
	}
	d, err := a.sampleDelivery(c, ev, kind, locale, body.Guest)
	if err != nil {
		return nil, "", sample{}, err
	}
	d.Wording = map[string]notice.Wording{locale: notice.Wording(words)}
	return d, account, body.Guest, nil
}

// sampleStatus is how an answer stands when a mail of the kind goes.
var sampleStatus = map[notice.Kind]string{
	notice.Waitlisted: contract.StatusWaitlisted, notice.Offer: contract.StatusOffered, notice.OfferExpired: contract.StatusCancelled,
	notice.Maybe: contract.StatusMaybe, notice.Declined: contract.StatusDeclined, notice.Cancelled: contract.StatusCancelled,
	notice.Rejected: contract.StatusCancelled, notice.PendingAddress: contract.StatusPending, notice.PendingApproval: contract.StatusPending,
	notice.PendingExpired: contract.StatusCancelled,
}

func (a *API) sampleDelivery(c *gin.Context, ev *notice.Event, kind notice.Kind, locale string, s sample) (*notice.Delivery, error) {
	org, err := a.Store.Organization(c.Request.Context(), ev.OrganizationID)
	if err != nil {
		return nil, err
	}
	rsvpID, err := id.New()
	if err != nil {
		return nil, err
	}
	now := a.Now().UTC()
	d := &notice.Delivery{
		Notice: notice.Notice{ID: rsvpID, EventID: ev.ID, OrganizationID: ev.OrganizationID, RSVPID: rsvpID, Kind: kind, Channel: notice.ChannelMail,
			DueAt: now, PlannedAt: now, Epoch: ev.Epoch},
		Event: ev, Organization: org, Ahead: max(s.Position-1, 0),
		Guest: &notice.Guest{RSVPID: rsvpID, EventID: ev.ID, OrganizationID: ev.OrganizationID, Status: contract.StatusConfirmed,
			PartySize: max(s.PartySize, 1), Locale: locale, TimeZone: s.TimeZone, Updates: true, Reminders: true},
	}
	if status := sampleStatus[kind]; status != "" {
		d.Guest.Status = status
	}
	switch kind {
	case notice.Offer, notice.PendingAddress, notice.PendingApproval:
		deadline := now.Add(24 * time.Hour)
		d.Notice.Detail.Deadline = &deadline
	}
	return d, nil
}

// sampleName is whom a preview without a guest is for.
const sampleName = "Alex Sample"

func (a *API) previewTemplate(c *gin.Context) {
	d, _, s, err := a.sampled(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	mail, err := a.render(d, s.Name)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"kind": d.Notice.Kind, "locale": d.Guest.Locale, "subject": mail.Subject, "text": mail.Text, "html": mail.HTML})
}

// render writes a sample; its links lead nowhere but to the event's page.
func (a *API) render(d *notice.Delivery, name string) (template.Mail, error) {
	if name == "" {
		name = sampleName
	}
	content := template.Content{Delivery: d, Name: name, Now: a.Now().UTC(), Manage: a.PublicURL + "/r/sample", Page: a.PublicURL + "/e/" + d.Event.Body.Slug}
	if d.Notice.Kind.Optional() {
		content.Unsubscribe = a.PublicURL + "/u/sample"
	}
	mail, err := a.Words.Write(content)
	var unwritable template.Unwritable
	switch {
	case errors.As(err, &unwritable):
		err = fault.ErrInvalid.About(fault.Field{Pointer: "/" + unwritable.Field, Detail: unwritable.Detail})
	case err == nil && mail.Fallback != "":
		err = fault.ErrInvalid.About(fault.Field{Pointer: "", Detail: mail.Fallback})
	}
	return mail, err
}

// testTemplate mails a sample to whoever asks, and to nobody else.
func (a *API) testTemplate(c *gin.Context) {
	d, account, s, err := a.sampled(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	to, err := a.ownAddress(c, d.Notice.OrganizationID, account)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	now := a.Now().UTC()
	ok, err := a.Store.TestMail(c.Request.Context(), account, testMails, now)
	if err == nil && !ok {
		err = errTestLimit.After(10 * time.Minute)
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	if s.Name == "" {
		s.Name = to.Name
	}
	d.Notice.Detail.Test = true
	ctx, cancel := context.WithTimeout(c.Request.Context(), testMailWithin)
	defer cancel()
	if err := a.Test(ctx, d, contract.Personal{Name: s.Name, Email: to.Email}, now); err != nil {
		httpserver.Problem(c, errTestMail.Because(err).After(time.Minute))
		return
	}
	c.JSON(http.StatusOK, gin.H{"sent_to": to.Email, "message_id": a.MessageID(d.Notice.ID), "remark": d.Remark})
}

// ownAddress is the one that an account signs in with.
func (a *API) ownAddress(c *gin.Context, organizationID, account string) (to contract.MemberPersonal, err error) {
	m, err := a.Store.Member(c.Request.Context(), organizationID, account)
	if err != nil {
		if errors.Is(err, pgstore.ErrNotFound) {
			err = fault.ErrUnavailable.Detailf("Your address is not known here yet; it comes with the next change to the organization.").After(time.Minute)
		}
		return to, err
	}
	keys, err := a.Keys.Fetch(c.Request.Context(), []string{account})
	if err != nil {
		return to, fault.ErrUnavailable.Because(err)
	}
	key, there := keys.Keys[account]
	if !there {
		return to, fault.ErrNotFound
	}
	plain, err := seal.Open(key, m.Sealed, account)
	if err != nil {
		return to, err
	}
	if json.Unmarshal(plain, &to) != nil || to.Email == "" {
		return to, errors.New("not the JSON of a member") // the decoder's error could quote it
	}
	return to, nil
}
