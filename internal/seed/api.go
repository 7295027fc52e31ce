package seed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// RefusedError is an answer of 4xx or 5xx: RFC 9457, as far as the loader cares.
type RefusedError struct {
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	ID         string `json:"id"` // of the event that has the external id
	RetryAfter time.Duration
	Errors     []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (r *RefusedError) Error() string {
	s := fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail)
	for _, e := range r.Errors {
		s += "; " + e.Pointer + ": " + e.Detail
	}
	return s
}

// refusalOf finds the refusal in a chain; nil means there is none.
func refusalOf(err error) *RefusedError {
	var r *RefusedError
	errors.As(err, &r)
	return r
}

// patience is how long the loader goes on trying while the server is away or
// asks to wait, before it gives up; a later run resumes.
const patience = 5 * time.Minute

// maxWait bounds one pause, whatever Retry-After says.
const maxWait = time.Minute

// maxAnswer bounds what is read of one answer.
const maxAnswer = 4 << 20

// API speaks HTTP/1.1 with one origin over connections that it keeps. Safe for
// concurrent use.
type API struct {
	base  string
	http  *http.Client
	limit *rate.Limiter
}

// NewAPI talks to base (http://127.0.0.1:8080) with at most workers requests
// at a time and, if perSecond > 0, not more than that many a second.
func NewAPI(base string, workers int, perSecond float64) (*API, error) {
	if !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://") {
		return nil, fmt.Errorf("%q is not an http or https origin", base)
	}
	limit := rate.NewLimiter(rate.Inf, 1)
	if perSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(perSecond), 1)
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		// The default of 2 idle connections per host would open and close one
		// for nearly each of 140,000 answers.
		MaxIdleConns: workers, MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		DisableCompression:    true,
	}
	return &API{base: strings.TrimRight(base, "/"), http: &http.Client{Transport: transport}, limit: limit}, nil
}

// Close drops the idle connections.
func (a *API) Close() { a.http.CloseIdleConnections() }

// Request is one call. Every field but Method and Path may be empty.
type Request struct {
	Method, Path  string
	Authorization string
	Key           string // Idempotency-Key
	Body          any
}

// Do sends the request until it is answered for good: it waits and tries again
// on 429, on 502 to 504, while the same key is still running, and while the
// server can't be reached. Safe to repeat, because every write of the loader
// has a key or an identity. The error is a *RefusedError for an answer of 4xx or
// 5xx; anything else means that the loader gave up.
func (a *API) Do(ctx context.Context, q Request, out any) error {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = json.Marshal(q.Body); err != nil {
			return fmt.Errorf("encoding %s %s: %w", q.Method, q.Path, err)
		}
	}
	var waited time.Duration
	for try := 0; ; try++ {
		if err := a.limit.Wait(ctx); err != nil {
			return err
		}
		err := a.once(ctx, q, body, out)
		wait, again := pause(err, try)
		if !again {
			return err
		}
		if ctx.Err() != nil {
			// Not err: a 503 is not the last word on what was asked.
			return ctx.Err()
		}
		if waited += wait; waited > patience {
			return fmt.Errorf("gave up after %s of trying: %w", patience, err)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (a *API) once(ctx context.Context, q Request, body []byte, out any) error {
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, a.base+q.Path, in)
	if err != nil {
		return fmt.Errorf("making %s %s: %w", q.Method, q.Path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.Authorization != "" {
		req.Header.Set("Authorization", q.Authorization)
	}
	if q.Key != "" {
		req.Header.Set("Idempotency-Key", q.Key)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return &unreachableError{cause: err}
	}
	// Read to the end: only then is the connection kept.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	if err != nil {
		return &unreachableError{cause: err}
	}
	if resp.StatusCode >= 400 {
		return refusal(resp, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s answered %d with what is not the JSON expected: %w", q.Method, q.Path, resp.StatusCode, err)
	}
	return nil
}

func refusal(resp *http.Response, answer []byte) *RefusedError {
	r := &RefusedError{}
	// An answer that is no problem document leaves the fields empty.
	_ = json.Unmarshal(answer, r)
	r.Status = resp.StatusCode
	if r.Code == "" {
		r.Code = "http-" + strconv.Itoa(resp.StatusCode)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		r.RetryAfter = time.Duration(s) * time.Second
	}
	return r
}

// unreachableError is a request that got no answer: it may or may not have been done.
type unreachableError struct{ cause error }

func (u *unreachableError) Error() string { return "no answer: " + u.cause.Error() }
func (u *unreachableError) Unwrap() error { return u.cause }

// CodeStillRunning is the slug of a request whose key is being worked on.
const CodeStillRunning = "idempotency-key-in-use"

// pause says whether an outcome is worth another try, and how long to wait first.
func pause(err error, try int) (time.Duration, bool) {
	backoff := min(50*time.Millisecond<<min(try, 7), 5*time.Second)
	var away *unreachableError
	if errors.As(err, &away) {
		return backoff, true
	}
	r := refusalOf(err)
	if r == nil {
		return 0, false
	}
	switch {
	case r.Status == http.StatusTooManyRequests,
		r.Status >= http.StatusBadGateway && r.Status <= http.StatusGatewayTimeout,
		r.Status == http.StatusConflict && r.Code == CodeStillRunning:
		return min(max(r.RetryAfter, backoff), maxWait), true
	}
	return 0, false
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
