package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client speaks to the public API, as anybody would.
type client struct {
	url    string
	http   *http.Client
	bearer string
	run    string // makes names of this run unlike those of others
}

func newClient(url string, connections int) (*client, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	return &client{
		url: url, run: hex.EncodeToString(b[:]),
		http: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections},
		},
	}, nil
}

// call sends JSON and reads JSON; the Turnout-Version of the answer comes back.
func (c *client) call(ctx context.Context, method, path string, body, into any, headers ...string) (string, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 2048))
		return "", fmt.Errorf("%s %s: %s: %s", method, path, res.Status, b)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(into)
	}
	return res.Header.Get("Turnout-Version"), err
}

// organizer signs up and makes an organization; its id comes back.
func (c *client) organizer(ctx context.Context) (string, error) {
	var session struct {
		AccessToken string `json:"access_token"`
	}
	account := map[string]string{"email": "load-" + c.run + "@example.org", "password": "a long enough pass phrase", "name": "Load"}
	if _, err := c.call(ctx, http.MethodPost, "/v1/auth/register", account, &session); err != nil {
		return "", err
	}
	if session.AccessToken == "" {
		if _, err := c.call(ctx, http.MethodPost, "/v1/auth/login", map[string]string{"email": account["email"], "password": account["password"]}, &session); err != nil {
			return "", err
		}
	}
	c.bearer = session.AccessToken
	var org struct {
		ID string `json:"id"`
	}
	_, err := c.call(ctx, http.MethodPost, "/v1/organizations", map[string]string{"name": "Load " + c.run, "slug": "load-" + c.run}, &org)
	return org.ID, err
}

// event creates and publishes one; nil capacity is unlimited, an empty waitlist policy is the default.
func (c *client) event(ctx context.Context, org, title string, capacity *int, waitlist string) (string, error) {
	start := time.Now().Add(60 * 24 * time.Hour).Truncate(time.Hour)
	var e struct {
		ID string `json:"id"`
	}
	body := map[string]any{
		"organization_id": org, "title": title, "starts_at": start, "ends_at": start.Add(2 * time.Hour), "time_zone": "Europe/Berlin",
		"capacity": capacity, "max_party": 4, "venue": map[string]any{"city": "Potsdam", "country": "DE"},
	}
	if waitlist != "" {
		body["waitlist_policy"] = waitlist
	}
	if _, err := c.call(ctx, http.MethodPost, "/v1/events", body, &e); err != nil {
		return "", err
	}
	_, err := c.call(ctx, http.MethodPost, "/v1/events/"+e.ID+"/publish", nil, nil)
	return e.ID, err
}

// answer is guest n's RSVP; the version that it made comes back.
func (c *client) answer(ctx context.Context, event string, n int) (string, error) {
	guest := fmt.Sprintf("guest-%s-%d", c.run, n)
	return c.call(ctx, http.MethodPost, "/v1/events/"+event+"/rsvps", map[string]any{
		"name": guest, "email": guest + "@example.net", "response": "going", "party_size": 1,
	}, nil, "Idempotency-Key", guest, "Authorization", "")
}
