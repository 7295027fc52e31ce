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
	"golang.org/x/net/netutil"
)

// maxReport bounds a returned mail in bytes: servers return headers, or all.
// maxConns of them are read at once; who comes later waits for a connection,
// which is at most a minute silent and in all as old as maxConnAge.
const (
	maxReport  = 1 << 20
	maxConns   = 64
	maxConnAge = 5 * time.Minute
)

// Mailbox takes bounces where a mail system delivers them: by SMTP, at the
// addresses that envelopes name. Anybody can talk to it: what it believes is the
// secret in the address, which only mail systems that had the mail in hand know.
type Mailbox struct {
	// Addr is host:port; port 0 takes a free one.
	Addr string
	// Notice reads an envelope's address; empty: it is none of ours.
	Notice func(address string) (noticeID string)
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
	go func() { failed <- server.Serve(netutil.LimitListener(aging{l}, maxConns)) }()
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

// aging ends connections that are as old as none needs to be: each command of a
// slow one begins its time anew, and enough of them would keep everybody out.
type aging struct{ net.Listener }

func (l aging) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return mortal{Conn: c, end: time.AfterFunc(maxConnAge, func() { _ = c.Close() })}, nil
}

type mortal struct {
	net.Conn
	end *time.Timer
}

func (m mortal) Close() error {
	m.end.Stop()
	return m.Conn.Close()
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
	id := s.box.Notice(to)
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
