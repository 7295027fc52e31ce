package mail

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Resolver looks up TXT records; *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Finding is one record that a sender's domain needs.
type Finding struct {
	Name   string // of the record
	Want   string // what it has to be, ready to be pasted
	Found  []string
	Ok     bool
	Advice string // what is wrong; empty when Ok
}

// Check looks whether receivers will believe mail from the domain: SPF
// (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489). An error means that the
// resolver could not be asked; a missing record is a finding.
func Check(ctx context.Context, r Resolver, domain string, cfg Config) ([]Finding, error) {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	var out []Finding
	for _, check := range []func(context.Context, Resolver, string, Config) (Finding, error){checkSPF, checkDKIM, checkDMARC} {
		f, err := check(ctx, r, domain, cfg)
		if err != nil {
			return out, err
		}
		f.Ok = f.Advice == ""
		out = append(out, f)
	}
	return out, nil
}

// lookup gives the records of a name that begin with a version tag.
func lookup(ctx context.Context, r Resolver, name, version string) ([]string, error) {
	records, err := r.LookupTXT(ctx, name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	var out []string
	for _, text := range records {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(text)), strings.ToLower(version)) {
			out = append(out, text)
		}
	}
	return out, nil
}

// maxSPFLookups is the limit of RFC 7208, 4.6.4; beyond it receivers give up.
const maxSPFLookups = 10

func checkSPF(ctx context.Context, r Resolver, domain string, cfg Config) (Finding, error) {
	host, _, err := net.SplitHostPort(cfg.SMTPAddr)
	if err != nil || host == "" {
		host = "smtp." + domain
	}
	f := Finding{Name: domain, Want: "v=spf1 a:" + host + " ~all"}
	if f.Found, err = lookup(ctx, r, domain, "v=spf1"); err != nil {
		return f, err
	}
	switch {
	case len(f.Found) == 0:
		f.Advice = "there is no SPF record: receivers cannot tell which servers may send for the domain"
	case len(f.Found) > 1:
		f.Advice = "there are several SPF records: receivers take that for none; join them"
	default:
		f.Advice = adviseSPF(f.Found[0])
	}
	return f, nil
}

func adviseSPF(record string) string {
	terms := strings.Fields(strings.ToLower(record))[1:]
	lookups, all := 0, ""
	for _, term := range terms {
		plain := strings.TrimLeft(term, "+-~?")
		name, _, _ := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(plain, "=", ":"), "/", ":"), ":")
		switch name {
		case "include", "a", "mx", "ptr", "exists", "redirect":
			lookups++
		case "all":
			all = term
		}
	}
	switch {
	case lookups > maxSPFLookups:
		return fmt.Sprintf("it takes %d look-ups, and receivers stop at %d", lookups, maxSPFLookups)
	case all == "+all" || all == "all":
		return "it lets everybody send for the domain (+all)"
	case all == "" && !strings.Contains(record, "redirect="):
		return "it does not say what to think of other servers: end it with ~all or -all"
	default:
		return ""
	}
}

func checkDKIM(ctx context.Context, r Resolver, domain string, cfg Config) (Finding, error) {
	selector := cfg.DKIMSelector
	if selector == "" {
		selector = "turnout"
	}
	f := Finding{Name: selector + "._domainkey." + domain, Want: "v=DKIM1; k=rsa; p=<the public key>"}
	signs, err := newSigning(cfg)
	if err != nil {
		return f, err
	}
	key := ""
	if signs != nil {
		kind, public, err := signs.public()
		if err != nil {
			return f, err
		}
		key, f.Want = public, "v=DKIM1; k="+kind+"; p="+public
	}
	records, err := r.LookupTXT(ctx, f.Name)
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		return f, fmt.Errorf("look up %s: %w", f.Name, err)
	}
	f.Found = records
	switch {
	case signs == nil:
		f.Advice = "mail is not signed here: set TURNOUT_DKIM_DOMAIN, TURNOUT_DKIM_SELECTOR and TURNOUT_DKIM_KEY_FILE"
	case cfg.DKIMDomain != domain && !strings.HasSuffix(domain, "."+cfg.DKIMDomain):
		f.Advice = "mail is signed for " + cfg.DKIMDomain + ", which does not cover " + domain
	case len(records) == 0:
		f.Advice = "there is no DKIM record: signatures cannot be checked"
	case tag(records[0], "p") == "":
		f.Advice = "the key was withdrawn (p= is empty)"
	case tag(records[0], "p") != key:
		f.Advice = "the record has another key than the one that signs"
	}
	return f, nil
}

// public is the key's kind and what p= has to be.
func (s *signing) public() (kind, p string, err error) {
	if key, ok := s.key.Public().(ed25519.PublicKey); ok {
		return "ed25519", base64.StdEncoding.EncodeToString(key), nil
	}
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		return "", "", fmt.Errorf("mail: public DKIM key: %w", err)
	}
	return "rsa", base64.StdEncoding.EncodeToString(der), nil
}

func checkDMARC(ctx context.Context, r Resolver, domain string, _ Config) (Finding, error) {
	f := Finding{Name: "_dmarc." + domain, Want: "v=DMARC1; p=quarantine; rua=mailto:dmarc@" + domain}
	var err error
	if f.Found, err = lookup(ctx, r, f.Name, "v=DMARC1"); err != nil {
		return f, err
	}
	switch {
	case len(f.Found) == 0:
		f.Advice = "there is no DMARC record: large mailbox providers refuse bulk mail without one"
	case len(f.Found) > 1:
		f.Advice = "there are several DMARC records: receivers take that for none"
	case !isPolicy(tag(f.Found[0], "p")):
		f.Advice = "it has no policy: p= wants none, quarantine or reject"
	}
	return f, nil
}

func isPolicy(p string) bool { return p == "none" || p == "quarantine" || p == "reject" }

// tag reads a tag of a "v=…; p=…" record; white space within is no part of it.
func tag(record, name string) string {
	for _, part := range strings.Split(record, ";") {
		if k, v, ok := strings.Cut(part, "="); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Join(strings.Fields(v), "")
		}
	}
	return ""
}
