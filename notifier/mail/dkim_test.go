package mail

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	other "github.com/toorop/go-dkim"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// What is signed here another implementation verifies; and whoever changes a header, adds
// one, or touches the body is found out.
func TestSignaturesVerifyElsewhere(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"rsa": rsaKey, "ed25519": edKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := signedMail(t, key)
			lookup := func(domain string) ([]string, error) {
				if domain != "s1._domainkey.turnout.example" {
					t.Errorf("asked for %s", domain)
				}
				return []string{record(t, key)}, nil
			}
			verify := func(raw []byte) error {
				found, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: lookup})
				if err != nil {
					return err
				}
				if len(found) != 1 || found[0].Domain != "turnout.example" {
					t.Fatalf("signatures: %+v", found)
				}
				for _, h := range []string{"From", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"} {
					if !slices.ContainsFunc(found[0].HeaderKeys, func(k string) bool { return strings.EqualFold(k, h) }) {
						t.Errorf("%s is not signed: %v", h, found[0].HeaderKeys)
					}
				}
				return found[0].Err
			}
			if err := verify(raw); err != nil {
				t.Fatalf("a good signature: %v", err)
			}
			if name == "rsa" { // it knows no other
				verdict, err := other.Verify(&raw, other.DNSOptLookupTXT(lookup))
				if verdict != other.SUCCESS || err != nil {
					t.Errorf("another implementation: %v, %v", verdict, err)
				}
			}
			for what, changed := range map[string][]byte{
				"another body":     bytes.Replace(raw, []byte("reminder"), []byte("reminded"), 1),
				"another subject":  bytes.Replace(raw, []byte("Subject: Spring"), []byte("Subject: Winter"), 1),
				"a second subject": append([]byte("Subject: Free money\r\n"), raw...),
				"another link":     bytes.Replace(raw, []byte("List-Unsubscribe: <https://turnout"), []byte("List-Unsubscribe: <https://turnin"), 1),
			} {
				if bytes.Equal(changed, raw) {
					t.Fatalf("%s: nothing changed in\n%s", what, raw)
				}
				if err := verify(changed); err == nil {
					t.Errorf("%s went through", what)
				}
			}
		})
	}
}

func signedMail(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dkim.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := testWriter(t)
	if w.signing, err = newSigning(Config{DKIMDomain: "turnout.example", DKIMSelector: "s1", DKIMKeyFile: file}); err != nil {
		t.Fatal(err)
	}
	l, err := w.Letter(goldenDelivery(notice.Reminder, "en"), contract.Personal{Name: "Zoë", Email: "zoe@example.org"}, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	return l.Raw
}

func record(t *testing.T, key crypto.Signer) string {
	t.Helper()
	switch public := key.Public().(type) {
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	default:
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	}
}

func TestHalfASettingIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{DKIMDomain: "x"}, {DKIMDomain: "x", DKIMSelector: "s"}, {DKIMDomain: "x", DKIMSelector: "s", DKIMKeyFile: "/nowhere"}} {
		if _, err := newSigning(c); err == nil || !strings.Contains(err.Error(), "TURNOUT_DKIM") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
