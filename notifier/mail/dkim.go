package mail

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"os"

	"github.com/emersion/go-msgauth/dkim"
	gomail "github.com/wneessen/go-mail"
)

// signing is who signs mail (DKIM, RFC 6376); nil signs nothing.
type signing struct {
	domain, selector string
	key              crypto.Signer
}

// signedHeaders are what must not change on the way. The unsubscribe headers
// belong to them: mail programs offer one click only if they are signed
// (RFC 8058, 4).
//
// From and Subject stand there once more than the mail has them: a second one,
// added on the way, breaks the signature (RFC 6376, 8.15).
var signedHeaders = []string{
	"From", "From", "To", "Subject", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
	"List-Unsubscribe", "List-Unsubscribe-Post",
}

func newSigning(cfg Config) (*signing, error) {
	if cfg.DKIMDomain == "" && cfg.DKIMSelector == "" && cfg.DKIMKeyFile == "" {
		return nil, nil
	}
	if cfg.DKIMDomain == "" || cfg.DKIMSelector == "" || cfg.DKIMKeyFile == "" {
		return nil, errors.New("mail: DKIM wants TURNOUT_DKIM_DOMAIN, TURNOUT_DKIM_SELECTOR and TURNOUT_DKIM_KEY_FILE, all three")
	}
	pem, err := os.ReadFile(cfg.DKIMKeyFile)
	if err != nil {
		return nil, fmt.Errorf("mail: TURNOUT_DKIM_KEY_FILE: %w", err)
	}
	key, err := gomail.PrivKeyFromPEM(pem)
	if err != nil {
		return nil, fmt.Errorf("mail: TURNOUT_DKIM_KEY_FILE %s: %w", cfg.DKIMKeyFile, err)
	}
	return &signing{domain: cfg.DKIMDomain, selector: cfg.DKIMSelector, key: key}, nil
}

// sign puts the signature before the message. go-mail can sign too, but folds
// a long list of headers in the middle of a name, so that nobody can verify it.
func (s *signing) sign(raw []byte) ([]byte, error) {
	var signed bytes.Buffer
	err := dkim.Sign(&signed, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: s.domain, Selector: s.selector, Signer: s.key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: signedHeaders,
	})
	if err != nil {
		return nil, fmt.Errorf("sign mail: %w", err)
	}
	return signed.Bytes(), nil
}
