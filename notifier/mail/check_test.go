package mail

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zone is a resolver that knows what the test says.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if records, there := z[name]; there {
		return records, nil
	}
	if _, broken := z["!"]; broken {
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func TestCheckSaysWhatIsMissingAndWrong(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dkim.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{SMTPAddr: "smtp.example.net:587", DKIMDomain: "example.org", DKIMSelector: "s1", DKIMKeyFile: file}
	_, public, err := (&signing{key: key}).public()
	if err != nil {
		t.Fatal(err)
	}
	good := zone{
		"example.org":                 {"unrelated", "v=spf1 include:_spf.example.net ~all"},
		"s1._domainkey.example.org":   {"v=DKIM1; k=ed25519; p=" + public[:10] + " " + public[10:]},
		"_dmarc.example.org":          {"v=DMARC1; p=reject"},
		"s1._domainkey.t.example.org": {"v=DKIM1; k=ed25519; p=" + public},
	}
	with := func(name string, records ...string) zone {
		z := zone{}
		for k, v := range good {
			z[k] = v
		}
		z[name] = records
		return z
	}
	for _, c := range []struct {
		name string
		zone zone
		want [3]string // advice for SPF, DKIM, DMARC; empty: fine
	}{
		{"all is well", good, [3]string{}},
		{"nothing is there", zone{}, [3]string{"no SPF", "no DKIM", "no DMARC"}},
		{"two SPF records", with("example.org", "v=spf1 a ~all", "v=spf1 mx ~all"), [3]string{"several SPF"}},
		{"everybody may send", with("example.org", "v=spf1 +all"), [3]string{"lets everybody"}},
		{"no end", with("example.org", "v=spf1 a mx"), [3]string{"end it with"}},
		{"too many look-ups", with("example.org", "v=spf1 "+strings.Repeat("include:x ", 11)+"-all"), [3]string{"11 look-ups"}},
		{"another key", with("s1._domainkey.example.org", "v=DKIM1; k=ed25519; p=AAAA"), [3]string{"", "another key"}},
		{"withdrawn", with("s1._domainkey.example.org", "v=DKIM1; p="), [3]string{"", "withdrawn"}},
		{"no policy", with("_dmarc.example.org", "v=DMARC1; rua=mailto:x@example.org"), [3]string{"", "", "no policy"}},
	} {
		found, err := Check(t.Context(), c.zone, "Example.org.", cfg)
		if err != nil || len(found) != 3 {
			t.Fatalf("%s: %v %v", c.name, found, err)
		}
		for i, f := range found {
			if f.Ok != (c.want[i] == "") || !strings.Contains(f.Advice, c.want[i]) {
				t.Errorf("%s: %s: ok %v, %q, expected %q", c.name, f.Name, f.Ok, f.Advice, c.want[i])
			}
			if f.Want == "" {
				t.Errorf("%s: %s has nothing to paste", c.name, f.Name)
			}
		}
	}
	var dns *net.DNSError
	if _, err := Check(t.Context(), zone{"!": nil}, "example.org", cfg); !errors.As(err, &dns) {
		t.Errorf("a resolver that is away: %v", err)
	}
	if found, err := Check(t.Context(), good, "example.org", Config{}); err != nil || found[1].Ok {
		t.Errorf("unsigned mail passes: %+v %v", found, err)
	}
}
