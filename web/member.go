package web

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/singleflight"

	"github.com/turnout-events/turnout/internal/id"
)

// A member's tokens are in the browser as cookies that no script reads. The access token's ends with it; the other one
// then gets the next pair (RFC 6749, section 6).
const (
	accessCookie  = "turnout_access"
	refreshCookie = "turnout_refresh"
	// memberCookie names the account that has signed in last. It opens nothing; the door's script reads it, to know whose
	// lists a device keeps (static/door/store.js).
	memberCookie = "turnout_member"
	// refreshKept is how long a browser keeps a refresh token. Command decides whether it is still good.
	refreshKept = 30 * 24 * time.Hour
	// earlier is how long before its end an access token is let go, so that it does not end on its way.
	earlier = 20 * time.Second
)

type tokens struct {
	AccountID string `json:"account_id"`
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// renewals has each refresh token used once, whatever number of tabs ask with it: using one twice ends its session. It is this
// process's own: where several serve one origin, whoever divides the requests has to keep a browser at one of them.
type renewals struct {
	flight singleflight.Group
	mu     sync.Mutex
	done   map[string]*renewed // by the token that was spent
	got    map[string]*renewed // by the access token that came of it
}

type renewed struct {
	tokens
	until time.Time
}

// renewedKept is how long who comes with a spent token gets what it was spent for, once the browser has come with that:
// requests of the same page that were under way, and tabs that a browser opens again all at once. Before that it is as
// long as the access token lives: over a bad network the answer with the new pair may be lost.
const renewedKept = 30 * time.Second

func newRenewals() *renewals {
	return &renewals{done: map[string]*renewed{}, got: map[string]*renewed{}}
}

// next gives the pair that a refresh token gets.
func (r *renewals) next(ctx context.Context, a *api, refresh string, headers map[string]string) (tokens, error) {
	v, err, _ := r.flight.Do(refresh, func() (any, error) {
		if t, ok := r.known(refresh, time.Now()); ok {
			return t, nil
		}
		var t tokens
		// Who asked first may leave; the token is spent all the same, and others wait.
		ctx := context.WithoutCancel(ctx)
		if _, err := a.write(ctx, http.MethodPost, "/v1/auth/refresh", map[string]string{"refresh_token": refresh}, &t, headers); err != nil {
			return tokens{}, err
		}
		r.keep(refresh, t, time.Now())
		return t, nil
	})
	if err != nil {
		return tokens{}, err
	}
	return v.(tokens), nil //nolint:forcetypeassert // the function above gives nothing else
}

func (r *renewals) known(refresh string, now time.Time) (tokens, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.done[refresh]
	if !ok || !now.Before(t.until) {
		return tokens{}, false
	}
	return t.tokens, true
}

// came tells that a browser has this access token, and so the pair.
func (r *renewals) came(access string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t, ok := r.got[access]; ok {
		t.until = now.Add(renewedKept)
		delete(r.got, access)
	}
}

func (r *renewals) keep(refresh string, t tokens, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, d := range r.done {
		if now.After(d.until) {
			delete(r.done, old)
			delete(r.got, d.Access)
		}
	}
	done := &renewed{t, now.Add(max(renewedKept, time.Duration(t.ExpiresIn)*time.Second))}
	r.done[refresh], r.got[t.Access] = done, done
}

// member is who has signed in, for the requests of one page.
type member struct {
	headers map[string]string // with which the page asks the API
	fresh   bool              // the access token was got for this request
}

const memberKey = "member"

// signedIn lets nobody past who has not signed in: a page leads to the sign-in and back, a script's request is told.
func (p *pages) signedIn(c *gin.Context) {
	m, err := p.memberOf(c)
	switch {
	case err != nil:
		p.sorry(c, asProblem(err))
		c.Abort()
	case m == nil && strings.Contains(c.GetHeader("Accept"), "application/json"):
		c.AbortWithStatusJSON(http.StatusUnauthorized, &problem{Status: http.StatusUnauthorized, Code: "unauthorized", Title: "Sign in", Detail: "The session has ended: sign in again."})
	case m == nil:
		p.askIn(c)
		c.Abort()
	default:
		c.Set(memberKey, m)
	}
}

// askIn leads to the sign-in and back. Behind a form it does not: a redirect would lose what was typed.
func (p *pages) askIn(c *gin.Context) {
	if c.Request.Method != http.MethodGet {
		p.show(c, http.StatusUnauthorized, "o_ended", struct{ Title string }{"Your session has ended"})
		return
	}
	c.Redirect(http.StatusSeeOther, "/o/sign-in?to="+url.QueryEscape(c.Request.URL.RequestURI()))
}

// memberOf is nil where nobody has signed in, or the session has ended.
func (p *pages) memberOf(c *gin.Context) (*member, error) {
	headers := forwarded(c)
	access, _ := c.Cookie(accessCookie)
	fresh := access == ""
	if fresh {
		refresh, _ := c.Cookie(refreshCookie)
		if refresh == "" {
			return nil, nil //nolint:nilnil // nobody is no error
		}
		t, err := p.renewals.next(c.Request.Context(), p.api, refresh, headers)
		if err != nil {
			if asProblem(err).Status != http.StatusUnauthorized {
				return nil, err // the session may be good: another time
			}
			p.signedOut(c)
			return nil, nil //nolint:nilnil // nobody is no error
		}
		p.keepMember(c, t)
		access = t.Access
	} else {
		p.renewals.came(access, time.Now())
	}
	headers["Authorization"] = "Bearer " + access
	return &member{headers: headers, fresh: fresh}, nil
}

// by gives the headers of the member whose page this is, and more of them: name, value, name, value.
func by(c *gin.Context, more ...string) map[string]string {
	headers := map[string]string{}
	for k, v := range c.MustGet(memberKey).(*member).headers { //nolint:forcetypeassert // signedIn sets it
		headers[k] = v
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			headers[more[i]] = more[i+1]
		}
	}
	return headers
}

func (p *pages) keepMember(c *gin.Context, t tokens) {
	p.cookie(c, accessCookie, t.Access, max(1, t.ExpiresIn-int(earlier.Seconds())))
	p.cookie(c, refreshCookie, t.Refresh, int(refreshKept.Seconds()))
	if id.Valid(t.AccountID) {
		http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // for a script to read
			Name: memberCookie, Value: t.AccountID, Path: "/", MaxAge: int(refreshKept.Seconds()), SameSite: http.SameSiteLaxMode, Secure: p.secure,
		})
	}
}

func (p *pages) signedOut(c *gin.Context) {
	p.cookie(c, accessCookie, "", -1)
	p.cookie(c, refreshCookie, "", -1)
}

// cookie is for the whole origin: /o and /door have no other common path. Lax, so that a link in a mail finds its reader
// signed in; what changes anything is kept from other sites by guardForms.
func (p *pages) cookie(c *gin.Context, name, value string, seconds int) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.secure,
	})
}

// guardForms refuses forms that another site has sent.
func (p *pages) guardForms(c *gin.Context) {
	// With no-referrer, which guests' pages with their links want, a browser keeps a form's origin to itself; and over plain
	// HTTP it says nothing else of where a form is from.
	c.Header("Referrer-Policy", "same-origin")
	if err := p.origin.Check(c.Request); err != nil {
		p.sorry(c, &problem{Status: http.StatusForbidden, Code: "forbidden", Title: "This form is of another site", Detail: "Please open the page here, and send it again."})
		c.Abort()
	}
}

// inside is a path of the members' pages to lead back to; anything else leads to their first page.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || strings.ContainsAny(to, "\\\r\n\t") {
		return "/o"
	}
	if u.Path != path.Clean(u.Path) {
		return "/o" // /o/../elsewhere
	}
	if u.Path == "/o" || strings.HasPrefix(u.Path, "/o/") || strings.HasPrefix(u.Path, "/door/") {
		return u.RequestURI()
	}
	return "/o"
}
