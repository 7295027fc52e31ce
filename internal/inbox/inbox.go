// Package inbox is the development stack's mailbox: an SMTP server that takes
// mail for everybody and pages that show it. Mail takes the real way out of the
// notifier and ends here, on this machine.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
)

// Config is what the environment sets.
type Config struct {
	// SMTPAddr is host:port; port 0 takes a free one.
	SMTPAddr string `env:"TURNOUT_INBOX_SMTP_ADDR" envDefault:"127.0.0.1:2525"`
	// Dir keeps the messages over a restart.
	Dir string `env:"TURNOUT_INBOX_DIR" envDefault:".local/inbox"`
	// MaxMessages and MaxBytes bound what is kept; the oldest go first.
	MaxMessages int   `env:"TURNOUT_INBOX_MAX_MESSAGES" envDefault:"20000"`
	MaxBytes    int64 `env:"TURNOUT_INBOX_MAX_BYTES" envDefault:"536870912"`
}

// Inbox is the server and its messages. It is a process.Part.
type Inbox struct {
	cfg   Config
	log   *slog.Logger
	store *store
	ready chan struct{}

	mu   sync.Mutex
	addr string
}

// New opens the directory and reads what is there.
func New(cfg Config, log *slog.Logger) (*Inbox, error) {
	if cfg.Dir == "" || cfg.MaxMessages < 1 || cfg.MaxBytes < maxMessage {
		return nil, fmt.Errorf("inbox: wants a directory, room for a message and for %d bytes", maxMessage)
	}
	s, err := openStore(cfg.Dir, cfg.MaxMessages, cfg.MaxBytes)
	if err != nil {
		return nil, err
	}
	return &Inbox{cfg: cfg, log: log, store: s, ready: make(chan struct{})}, nil
}

// maxMessage bounds one message in bytes.
const maxMessage = 10 << 20

// Name is the process part's name.
func (b *Inbox) Name() string { return "inbox" }

// Ready is closed once the server accepts mail.
func (b *Inbox) Ready() <-chan struct{} { return b.ready }

// Addr is the SMTP server's real host:port; empty before Ready.
func (b *Inbox) Addr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addr
}

// Run serves until ctx ends, and then finishes the messages under way.
func (b *Inbox) Run(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", b.cfg.SMTPAddr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("inbox: port in use: %s is taken by another process; stop it or set TURNOUT_INBOX_SMTP_ADDR", b.cfg.SMTPAddr)
	}
	if err != nil {
		return fmt.Errorf("inbox: cannot listen on %s (TURNOUT_INBOX_SMTP_ADDR): %w", b.cfg.SMTPAddr, err)
	}
	b.mu.Lock()
	b.addr = l.Addr().String()
	b.mu.Unlock()

	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }))
	server.Domain = "turnout.localhost"
	server.MaxMessageBytes = maxMessage
	server.MaxRecipients = 100
	server.EnableSMTPUTF8 = true
	server.ReadTimeout, server.WriteTimeout = 5*time.Minute, time.Minute
	server.ErrorLog = silence{}

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	b.log.InfoContext(ctx, "inbox takes mail", "addr", b.Addr())
	close(b.ready)
	select {
	case err := <-failed:
		return fmt.Errorf("inbox: %w", err)
	case <-ctx.Done():
	}
	// Clients keep their connections open: the ones that idle are cut.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	if err := <-failed; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("inbox: %w", err)
	}
	return nil
}

// silence drops what the library logs: "connection reset" for every client
// that just leaves.
type silence struct{}

func (silence) Printf(string, ...any) {}

func (silence) Println(...any) {}

// session is one SMTP connection.
type session struct {
	box  *Inbox
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, to := range s.to {
		if err := s.box.store.add(s.from, to, raw, now); err != nil {
			s.box.log.Error("inbox cannot keep a message", "error", err)
			return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "no room for the message"}
		}
	}
	return nil
}

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error { return nil }

// Messages lists what came to an address, newest first; all if it is empty.
func (b *Inbox) Messages(to string) []Message { return b.store.find(to, mostLimit) }
