package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// Limits are how often one client, one guest or one address may do something.
// Many guests share one network address (a campus, a conference), so limits
// per client are wide and those per guest and per failed attempt are tight.
type Limits struct {
	// RSVPClient bounds answers from one network address.
	RSVPClient limit.Rate `env:"TURNOUT_LIMIT_RSVP_CLIENT" envDefault:"1000/1m"`
	// RSVPGuest bounds attempts of one e-mail address at one event.
	RSVPGuest limit.Rate `env:"TURNOUT_LIMIT_RSVP_GUEST" envDefault:"20/1m"`
	// RSVPForm bounds attempts with one token of the page's form.
	RSVPForm limit.Rate `env:"TURNOUT_LIMIT_RSVP_FORM" envDefault:"20/10m"`
	// GuestClient bounds a guest's changes from one network address.
	GuestClient limit.Rate `env:"TURNOUT_LIMIT_GUEST_CLIENT" envDefault:"1000/1m"`
	// GuestLink bounds sign-in links asked for one e-mail address.
	GuestLink limit.Rate `env:"TURNOUT_LIMIT_GUEST_LINK" envDefault:"5/1h"`
	// Register bounds new accounts from one network address.
	Register limit.Rate `env:"TURNOUT_LIMIT_REGISTER" envDefault:"30/1h"`
	// LoginAddress and LoginClient bound failed sign-ins, of one account and from one network address. One that is
	// being checked counts as failed until it is known not to be.
	LoginAddress limit.Rate `env:"TURNOUT_LIMIT_LOGIN_ADDRESS" envDefault:"10/15m"`
	LoginClient  limit.Rate `env:"TURNOUT_LIMIT_LOGIN_CLIENT" envDefault:"100/15m"`
	// Loopback replaces the limits per network address for clients on this
	// machine, where everybody has the same one; "off" lifts them. Empty: no exception.
	Loopback string `env:"TURNOUT_LIMIT_LOOPBACK"`

	loopback *limit.Rate
}

// Validate reads Loopback.
func (l *Limits) Validate() error {
	if l.Loopback == "" {
		return nil
	}
	l.loopback = &limit.Rate{}
	if err := l.loopback.UnmarshalText([]byte(l.Loopback)); err != nil {
		return fmt.Errorf("TURNOUT_LIMIT_LOOPBACK: %w", err)
	}
	return nil
}

func (l *Limits) policy(r limit.Rate, name string) limit.Policy {
	return limit.Policy{Name: name, Rate: r}
}

// perClient is the policy for a client's network address.
func (l *Limits) perClient(r limit.Rate, name, ip string) limit.Policy {
	if l.loopback != nil {
		if addr, err := netip.ParseAddr(ip); err == nil && addr.IsLoopback() {
			r = *l.loopback
		}
	}
	return limit.Policy{Name: name, Rate: r}
}

// counted is a policy and who it is applied to.
type counted struct {
	policy limit.Policy
	key    string
}

// takeClient is take for the client's network address, which costs to find out.
func (a *API) takeClient(c *gin.Context, r limit.Rate, name string) error {
	ip := httpserver.ClientIP(c)
	return a.take(c, a.Limits.perClient(r, name, ip), clientKey(ip))
}

// clientKey is whom a network address is counted as: of IPv6 a customer has a whole /64 (RFC 6177), and could take a new
// address for every request.
func clientKey(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Unmap().Is4() {
		return ip
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return network.String()
}

// take counts one and refuses beyond the limit.
func (a *API) take(c *gin.Context, p limit.Policy, key string) error {
	return say(c, a.Limiter.Take(p, key, a.Now()))
}

// takeAll counts one of each, or none at all when one refuses.
func (a *API) takeAll(c *gin.Context, all []counted, now time.Time) error {
	for i, l := range all {
		if err := say(c, a.Limiter.Take(l.policy, l.key, now)); err != nil {
			a.giveBack(all[:i], now)
			return err
		}
	}
	return nil
}

// giveBack undoes takeAll.
func (a *API) giveBack(all []counted, taken time.Time) {
	for _, l := range all {
		a.Limiter.GiveBack(l.policy, l.key, taken)
	}
}

// say tells the client about the policy (draft-ietf-httpapi-ratelimit-headers,
// RateLimit and RateLimit-Policy), and refuses.
func say(c *gin.Context, d limit.Decision) error {
	if !d.Limited() {
		return nil
	}
	h, rate := c.Writer.Header(), d.Policy.Rate
	list(h, headerPolicy, d.Policy.Name, ";q=", rate.N, ";w=", seconds(rate.Per))
	list(h, headerLimit, d.Policy.Name, ";r=", d.Remaining, ";t=", seconds(d.Reset))
	if d.Allowed {
		return nil
	}
	return fault.ErrTooMany.Detailf("%d in %s are allowed.", rate.N, rate.Per).After(d.Retry).With("policy", d.Policy.Name)
}

// As net/http spells them: Add would have to find that out each time.
const (
	headerPolicy = "Ratelimit-Policy"
	headerLimit  = "Ratelimit"
)

// list adds a member with two parameters to a header that is a list (RFC 9651, 3.1), in one line whatever its length.
func list(h http.Header, header, name, first string, a int, second string, b int) {
	line := make([]byte, 0, 96)
	was := h[header]
	if len(was) > 0 {
		line = append(append(line, was[0]...), ", "...)
	}
	line = append(append(append(line, '"'), name...), '"')
	line = strconv.AppendInt(append(line, first...), int64(a), 10)
	line = strconv.AppendInt(append(line, second...), int64(b), 10)
	if len(was) > 0 {
		was[0] = string(line)
		return
	}
	h[header] = []string{string(line)}
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
