package inbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// parts are the leaves of a message, decoded.
type parts struct {
	Header mail.Header
	Text   string
	HTML   string
	Files  []file
}

// file is everything that is neither the text nor the HTML part.
type file struct {
	Name        string
	ContentType string
	ContentID   string
	Body        []byte
}

// maxDepth keeps a message of nested multiparts from nesting us.
const maxDepth = 8

func read(raw []byte) (*parts, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("not a message: %w", err)
	}
	p := &parts{Header: m.Header}
	err = p.walk(m.Header.Get, m.Body, 0)
	return p, err
}

func (p *parts) walk(header func(string) string, body io.Reader, depth int) error {
	media, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		media, params = "text/plain", nil // RFC 2045, 5.2
	}
	if strings.HasPrefix(media, "multipart/") && depth < maxDepth {
		r := multipart.NewReader(body, params["boundary"])
		for {
			part, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("part: %w", err)
			}
			if err := p.walk(part.Header.Get, part, depth+1); err != nil {
				return err
			}
		}
	}
	content, err := io.ReadAll(decoded(header("Content-Transfer-Encoding"), body))
	if err != nil {
		return fmt.Errorf("part %s: %w", media, err)
	}
	disposition, dispositionParams, _ := mime.ParseMediaType(header("Content-Disposition"))
	switch {
	case disposition != "attachment" && media == "text/plain" && p.Text == "":
		p.Text = string(content)
	case disposition != "attachment" && media == "text/html" && p.HTML == "":
		p.HTML = string(content)
	default:
		name := dispositionParams["filename"]
		if name == "" {
			name = params["name"]
		}
		if name == "" {
			name = strings.ReplaceAll(media, "/", ".")
		}
		p.Files = append(p.Files, file{
			Name: name, ContentType: media, ContentID: strings.Trim(header("Content-Id"), "<>"), Body: content,
		})
	}
	return nil
}

func decoded(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	default:
		return r
	}
}
