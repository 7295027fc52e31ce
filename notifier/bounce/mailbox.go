package bounce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// maxReport bounds a returned mail in bytes: servers return headers, or all.
const maxReport = 1 << 20

// Mailbox takes bounces where a mail system delivers them: by SMTP, at the
// addresses that envelopes name (bounces+<notification>@…). Whoever knows the id
// has had the mail in hand, and can only keep more from coming.
type Mailbox struct {
	// Addr is host:port; port 0 takes a free one.
	Addr string
	// Take records a report; false: it is about nothing that was sent.
	Take func(ctx context.Context, r Report) (bool, error)
	Log  *slog.Logger
	// Listening is called with the real address once mail is taken; may be nil.
	Listening func(addr string)
}

// Run serves until ctx ends.
func (b *Mailbox) Run(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", b.Addr)
	if err != nil {
		return fmt.Errorf("bounces: cannot listen on %s (TURNOUT_NOTIFIER_BOUNCE_SMTP_ADDR): %w", b.Addr, err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &returned{box: b, ctx: ctx}, nil }))
	server.Domain = "bounces.turnout"
	server.MaxMessageBytes, server.MaxRecipients = maxReport, 10
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.ErrorLog = silent{}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	b.Log.InfoContext(ctx, "bounces are taken", "addr", l.Addr().String())
	if b.Listening != nil {
		b.Listening(l.Addr().String())
	}
	select {
	case err := <-failed:
		return fmt.Errorf("bounces: %w", err)
	case <-ctx.Done():
	}
	err = server.Close()
	if ended := <-failed; !errors.Is(ended, smtp.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// silent drops what the library logs: a line for every client that just leaves.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// returned is one connection.
type returned struct {
	box *Mailbox
	ctx context.Context //nolint:containedctx // go-smtp gives sessions none
	ids []string
}

func (s *returned) Mail(string, *smtp.MailOptions) error { return nil }

func (s *returned) Rcpt(to string, _ *smtp.RcptOptions) error {
	id := findID(to)
	if id == "" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "only returned mail is taken here"}
	}
	s.ids = append(s.ids, id)
	return nil
}

// Data takes a report. What is none (a holiday note) is taken and forgotten:
// refusing it would only make another one.
func (s *returned) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	report, err := DSN(raw)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	for _, id := range s.ids {
		report.NoticeID = id // the address cannot be mistaken, what is returned can be cut short
		if _, err := s.box.Take(s.ctx, report); err != nil {
			s.box.Log.WarnContext(s.ctx, "bounce not recorded, its sender tries again", "notification", id, "error", err)
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not now"}
		}
	}
	return nil
}

func (s *returned) Reset()        { s.ids = nil }
func (s *returned) Logout() error { return nil }
