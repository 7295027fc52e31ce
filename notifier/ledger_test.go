package notifier

import (
	"bytes"
	"io"
	"log"
	"mime"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/turnout-events/turnout/internal/testkit"
)

// entry is a message that the ledger has accepted: the 250 was about to go out.
type entry struct {
	To, Subject, MessageID string
	Raw                    []byte
}

// ledger is an SMTP server that remembers what it took, and can be told to
// misbehave at each step of a message.
type ledger struct {
	server *smtp.Server
	addr   string

	mu      sync.Mutex
	entries []entry
	hooks   ledgerHooks
}

// ledgerHooks run outside the lock; an error is the server's reply.
type ledgerHooks struct {
	onMail func() error
	onRcpt func(to string) error
	onData func(e entry) error // before the message counts
	onDone func(e entry)       // it counts; the 250 goes out when this returns
	hangUp func(e entry) bool  // it counts; true: no answer goes out, the connection ends
}

// misbehave sets the hooks. Sessions are the server's goroutines.
func (l *ledger) misbehave(h ledgerHooks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hooks = h
}

func (l *ledger) hook() ledgerHooks {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hooks
}

func newLedger(t testing.TB) *ledger {
	t.Helper()
	l := &ledger{}
	l.listen(t, "127.0.0.1:0")
	t.Cleanup(l.close)
	return l
}

// listen waits for the address: after a close it may be somebody else's for a moment.
func (l *ledger) listen(t testing.TB, addr string) {
	t.Helper()
	var listener net.Listener
	testkit.Eventually(t, time.Minute, 20*time.Millisecond, func() (err error) {
		listener, err = net.Listen("tcp", addr)
		return err
	})
	l.addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &ledgerSession{l: l, conn: c}, nil }))
	server.Domain = "ledger.test"
	server.EnableSMTPUTF8 = true
	server.MaxRecipients = 10
	server.ErrorLog = log.New(io.Discard, "", 0)
	l.server = server
	go func() { _ = server.Serve(listener) }()
}

func (l *ledger) close() { _ = l.server.Close() }

// restart brings the server back at the same address.
func (l *ledger) restart(t testing.TB) { l.listen(t, l.addr) }

func (l *ledger) all() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]entry(nil), l.entries...)
}

// to lists the subjects that an address got, in order.
func (l *ledger) to(address string) []string {
	var out []string
	for _, e := range l.all() {
		if e.To == address {
			out = append(out, e.Subject)
		}
	}
	return out
}

type ledgerSession struct {
	l    *ledger
	conn *smtp.Conn
	to   string
}

func (s *ledgerSession) Mail(string, *smtp.MailOptions) error {
	if onMail := s.l.hook().onMail; onMail != nil {
		return onMail()
	}
	return nil
}

func (s *ledgerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if onRcpt := s.l.hook().onRcpt; onRcpt != nil {
		return onRcpt(to)
	}
	return nil
}

func (s *ledgerSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	e := entry{To: s.to, Subject: subject, MessageID: strings.Trim(m.Header.Get("Message-Id"), "<>"), Raw: raw}
	if onData := s.l.hook().onData; onData != nil {
		if err := onData(e); err != nil {
			return err
		}
	}
	s.l.mu.Lock()
	s.l.entries = append(s.l.entries, e)
	s.l.mu.Unlock()
	if onDone := s.l.hook().onDone; onDone != nil {
		onDone(e)
	}
	if hangUp := s.l.hook().hangUp; hangUp != nil && hangUp(e) {
		return s.conn.Conn().Close()
	}
	return nil
}

func (s *ledgerSession) Reset()        { s.to = "" }
func (s *ledgerSession) Logout() error { return nil }

// forget lets the next question start anew.
func (l *ledger) forget(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept []entry
	for _, e := range l.entries {
		if e.To != address {
			kept = append(kept, e)
		}
	}
	l.entries = kept
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}
