package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/turnout-events/turnout/internal/contract"
)

// notYetVisible is the code of a read that came before what it waits for (Turnout-Min-Version).
const notYetVisible = "not-yet-visible"

// api is what the pages use: the same routes as everybody else.
type api struct {
	client                   *http.Client
	command, query, notifier string
}

// problem is an RFC 9457 answer, as an error.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// asProblem makes one of any error, so that a page always has words.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return &problem{
		Status: http.StatusServiceUnavailable, Code: "unavailable",
		Title:  "We cannot reach a part of the system",
		Detail: "A part of the system is away for the moment. Nothing was lost; please try again in a few seconds.",
	}
}

type eventView struct {
	ID             string              `json:"id"`
	OrganizationID string              `json:"organization_id"`
	Slug           string              `json:"slug"`
	Status         string              `json:"status"`
	CancelReason   string              `json:"cancel_reason"`
	Title          string              `json:"title"`
	Description    string              `json:"description"`
	StartsAt       time.Time           `json:"starts_at"`
	EndsAt         time.Time           `json:"ends_at"`
	TimeZone       string              `json:"time_zone"`
	Venue          *contract.Venue     `json:"venue"`
	Online         bool                `json:"online"`
	Category       string              `json:"category"`
	Tags           []string            `json:"tags"`
	MaxParty       int                 `json:"max_party"`
	WaitlistPolicy string              `json:"waitlist_policy"`
	Approval       bool                `json:"approval"`
	ConfirmAddress bool                `json:"confirm_address"`
	RSVPOpensAt    *time.Time          `json:"rsvp_opens_at"`
	RSVPClosesAt   time.Time           `json:"rsvp_closes_at"`
	Questions      []contract.Question `json:"questions"`
	Price          *contract.Price     `json:"price_range"`
	Cover          *contract.Cover     `json:"cover"`
	Version        int64               `json:"version"`
}

type seatsView struct {
	Capacity   *int  `json:"capacity"`
	Going      int   `json:"going"`
	Maybe      int   `json:"maybe"`
	Waitlisted int   `json:"waitlisted"`
	Held       int   `json:"held"`
	Remaining  *int  `json:"remaining"`
	Version    int64 `json:"version"`
}

type listView struct {
	Items      []eventView                  `json:"items"`
	Total      int                          `json:"total"`
	NextCursor *string                      `json:"next_cursor"`
	Fuzzy      bool                         `json:"fuzzy"`
	Facets     map[string][]json.RawMessage `json:"-"`
}

type rsvpView struct {
	ID               string     `json:"id"`
	EventID          string     `json:"event_id"`
	Status           string     `json:"status"`
	Response         string     `json:"response"`
	PartySize        int        `json:"party_size"`
	Position         *int       `json:"position"`
	Why              string     `json:"why"`
	OfferExpiresAt   *time.Time `json:"offer_expires_at"`
	ManageToken      string     `json:"manage_token"`
	AddressConfirmed bool       `json:"address_confirmed"`
	Name             string     `json:"name"`
	Rating           int        `json:"rating"`
	Comment          string     `json:"comment"`
	Consents         consents   `json:"consents"`
	Version          int64      `json:"version"`
}

func (a *api) events(ctx context.Context, query url.Values) (listView, error) {
	var v listView
	_, err := a.do(ctx, http.MethodGet, a.query+"/v1/events?"+query.Encode(), nil, &v, nil)
	return v, err
}

func (a *api) event(ctx context.Context, idOrSlug string) (eventView, error) {
	var v eventView
	_, err := a.do(ctx, http.MethodGet, a.query+"/v1/events/"+url.PathEscape(idOrSlug), nil, &v, nil)
	return v, err
}

func (a *api) seats(ctx context.Context, id string) (seatsView, error) {
	var v seatsView
	_, err := a.do(ctx, http.MethodGet, a.query+"/v1/events/"+id+"/availability", nil, &v, nil)
	return v, err
}

// rsvp reads an answer; min is the Turnout-Version that a write of this page
// gave, so that a guest sees what they just did.
func (a *api) rsvp(ctx context.Context, id, token, min string) (rsvpView, error) {
	var v rsvpView
	h := guest(token)
	if min != "" {
		h["Turnout-Min-Version"] = min
	}
	_, err := a.do(ctx, http.MethodGet, a.query+"/v1/rsvps/"+id, nil, &v, h)
	return v, err
}

// write sends a command and gives the Turnout-Version of its answer.
func (a *api) write(ctx context.Context, method, path string, body, into any, headers map[string]string) (string, error) {
	res, err := a.do(ctx, method, a.command+path, body, into, headers)
	if err != nil {
		return "", err
	}
	return res.Get("Turnout-Version"), nil
}

func guest(token string) map[string]string {
	return map[string]string{"Authorization": "Guest " + token}
}

// do asks once more for what is about to be seen: a read store waits a moment by itself, and on a busy day that is short.
func (a *api) do(ctx context.Context, method, target string, body, into any, headers map[string]string) (http.Header, error) {
	h, err := a.once(ctx, method, target, body, into, headers)
	var why *problem
	if method == http.MethodGet && errors.As(err, &why) && why.Code == notYetVisible {
		return a.once(ctx, method, target, body, into, headers)
	}
	return h, err
}

func (a *api) once(ctx context.Context, method, target string, body, into any, headers map[string]string) (http.Header, error) {
	reader, file := body.(io.Reader) // its Content-Type is among the headers
	if body != nil && !file {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode body for %s: %w", target, err)
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := setHeaders(req, headers); err != nil {
		return nil, err
	}
	res, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		return nil, problemOf(res, target)
	}
	if into == nil {
		_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
		return res.Header, nil
	}
	return res.Header, json.NewDecoder(res.Body).Decode(into)
}

// setHeaders refuses what no header can carry. It is of the page's address or form: no part of the system is away.
func setHeaders(req *http.Request, headers map[string]string) error {
	for k, v := range headers {
		if strings.ContainsFunc(v, unicode.IsControl) {
			return &problem{Status: http.StatusBadRequest, Code: "invalid-input", Title: "This form or address was not made here", Detail: "Please open the page again."}
		}
		req.Header.Set(k, v)
	}
	return nil
}

func problemOf(res *http.Response, target string) error {
	p := &problem{Status: res.StatusCode, Title: res.Status}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(p); err != nil {
		return fmt.Errorf("%s answered %s without a problem document: %w", target, res.Status, err)
	}
	return p
}
