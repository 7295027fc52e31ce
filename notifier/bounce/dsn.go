package bounce

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
)

// DSN reads a delivery status notification: a multipart/report with a
// message/delivery-status part (RFC 3464), as a mail system sends it to the
// address of the envelope. The notice is found by that address, or by the
// headers of the mail that comes back in it.
func DSN(raw []byte) (Report, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/report" {
		return Report{}, fmt.Errorf("%w: %q is no report", ErrUnknown, media)
	}
	d := dsn{places: []string{m.Header.Get("X-Original-To"), m.Header.Get("Delivered-To"), m.Header.Get("To"), m.Header.Get("References")}}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if n == maxParts && err == nil {
			return Report{}, fmt.Errorf("%w: more than %d parts", ErrUnknown, maxParts)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Report{}, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		if err := d.part(part); err != nil {
			return Report{}, err
		}
	}
	r := Report{NoticeID: findID(d.places...), Code: d.status}
	switch d.action {
	case "failed":
		r.Kind = byStatus(d.status)
	case "delayed":
		r.Kind = Soft
	case "delivered", "relayed", "expanded":
		r.Kind = Delivered
	default:
		return Report{}, fmt.Errorf("%w: action %q", ErrUnknown, d.action)
	}
	return r, nil
}

type dsn struct {
	places         []string
	action, status string
}

// More than any report needs: it has three parts. Each is a buffer and a pass
// over what was found before.
const (
	maxPart  = 256 << 10
	maxParts = 16
)

// enhancedStatus is a code as RFC 3463 has it. Nothing else of a report is kept:
// strangers write it, and what is kept is shown and published.
var enhancedStatus = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)

func (d *dsn) part(p *multipart.Part) error {
	media, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")) // a part of no known type says nothing
	body := io.LimitReader(p, maxPart)
	switch media {
	case "message/delivery-status":
		return d.deliveryStatus(body)
	case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
		header, err := textproto.NewReader(bufio.NewReader(body)).ReadMIMEHeader()
		if err != nil && len(header) == 0 {
			return fmt.Errorf("%w: the mail that came back: %w", ErrUnknown, err)
		}
		// These are better than any address: they are ours.
		d.places = append([]string{header.Get("X-Turnout-Notification"), header.Get("Message-Id")}, d.places...)
	}
	return nil
}

// deliveryStatus reads groups of fields: the first is about the message, the
// others about a recipient each. Ours has one.
func (d *dsn) deliveryStatus(body io.Reader) error {
	r := textproto.NewReader(bufio.NewReader(body))
	for {
		fields, err := r.ReadMIMEHeader()
		if action := fields.Get("Action"); action != "" {
			d.action = strings.ToLower(strings.TrimSpace(action))
			d.status = enhancedStatus.FindString(strings.TrimSpace(fields.Get("Status")))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: delivery status: %w", ErrUnknown, err)
		}
	}
}
