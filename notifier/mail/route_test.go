package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
)

// sink counts what an SMTP server took, with the envelope's sender.
type sink struct {
	addr   string
	server *smtp.Server
	mu     sync.Mutex
	from   []string
	data   func() error
}

// newSink waits for the address: after a close it may be somebody else's for a moment.
func newSink(t *testing.T, addr string) *sink {
	t.Helper()
	var l net.Listener
	testkit.Eventually(t, time.Minute, 20*time.Millisecond, func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	s := &sink{addr: l.Addr().String()}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{s: s}, nil }))
	s.server.ErrorLog = quiet{}
	go func() { _ = s.server.Serve(l) }()
	t.Cleanup(func() { _ = s.server.Close() })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.from)
}

type sinkSession struct {
	s    *sink
	from string
}

func (s *sinkSession) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *sinkSession) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (s *sinkSession) Reset()                                      {}
func (s *sinkSession) Logout() error                               { return nil }
func (s *sinkSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if s.s.data != nil {
		if err := s.s.data(); err != nil {
			return err
		}
	}
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.from = append(s.s.from, s.from)
	return nil
}

func testChannel(t *testing.T, cfg Config) *Channel {
	t.Helper()
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	links, err := NewLinks(ring)
	if err != nil {
		t.Fatal(err)
	}
	cfg.From = "mail@turnout.example"
	c, err := NewChannel(cfg, "https://turnout.example", 5*time.Second, ring, links, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (c *Channel) deliverAt(t *testing.T, domain string, now time.Time) error {
	t.Helper()
	return c.Deliver(t.Context(), goldenDelivery(notice.Maybe, "en"), contract.Personal{Name: "Zoë", Email: "zoe@" + domain}, now)
}

// A server that takes a mail and says nothing gets no more until it answers; the backup does.
func TestTheBackupServesWhileTheFirstIsSilent(t *testing.T) {
	t.Parallel()
	first, backup := newSink(t, "127.0.0.1:0"), newSink(t, "127.0.0.1:0")
	answer := make(chan struct{})
	first.data = func() error { <-answer; return nil }
	c := testChannel(t, Config{SMTPAddr: first.addr, BackupAddr: backup.addr, BackupTLS: TLSNone})
	const timeout = 2 * time.Second
	c.routes[0].server.timeout = timeout
	now := goldenNow
	later := now.Add(timeout + 100*time.Millisecond)
	sent := make(chan error, 1)
	go func() {
		sent <- c.Deliver(t.Context(), goldenDelivery(notice.Maybe, "en"), contract.Personal{Name: "Zoë", Email: "zoe@example.org"}, now)
	}()
	for !c.routes[0].breaker.Open(later) {
		select {
		case err := <-sent:
			t.Fatalf("it is told to be there: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := c.deliverAt(t, "example.org", later); err != nil || backup.count() != 1 {
		t.Errorf("by the backup: %v, %d", err, backup.count())
	}
	// However long it is silent: one mail now and then finds out, the others go by the backup.
	for wait := time.Minute; wait < 5*time.Minute; wait += time.Minute {
		if r := c.routes[0]; !r.may(now.Add(wait)) || r.may(now.Add(wait)) || r.may(now.Add(wait+time.Second/4)) {
			t.Fatalf("after %s not one mail alone is tried", wait)
		}
	}
	close(answer)
	if err := <-sent; err != nil || first.count() != 1 {
		t.Errorf("the first after its answer: %v, %d", err, first.count())
	}
	if c.routes[0].breaker.Open(later.Add(100 * time.Millisecond)) {
		t.Error("it has answered and gets no mail")
	}
}

func TestTheBackupServesWhileTheFirstIsAway(t *testing.T) {
	t.Parallel()
	first, backup := newSink(t, "127.0.0.1:0"), newSink(t, "127.0.0.1:0")
	c := testChannel(t, Config{SMTPAddr: first.addr, BackupAddr: backup.addr, BackupTLS: TLSNone, Bounces: "bounces@turnout.example"})
	now := goldenNow
	if err := c.deliverAt(t, "example.org", now); err != nil || first.count() != 1 {
		t.Fatalf("%v, %d", err, first.count())
	}
	if from := first.from[0]; !strings.HasPrefix(from, "bounces+0c5d1e2f-0000-8000-8000-00000000000a-") ||
		!strings.HasSuffix(from, "@turnout.example") || strings.IndexByte(from, '@') > 64 {
		t.Errorf("envelope sender %q", from)
	}
	_ = first.server.Close()
	for i := range 3 {
		if err := c.deliverAt(t, "example.org", now); err != nil {
			t.Fatalf("mail %d: %v", i, err)
		}
	}
	if backup.count() != 3 {
		t.Fatalf("the backup took %d", backup.count())
	}
	// Back again, and asked again once its breaker has closed.
	again := newSink(t, first.addr)
	if err := c.deliverAt(t, "example.org", now); err != nil || backup.count() != 4 {
		t.Fatalf("before the breaker closed: %v, backup %d", err, backup.count())
	}
	if err := c.deliverAt(t, "example.org", now.Add(time.Minute)); err != nil || again.count() != 1 {
		t.Fatalf("after it: %v, first %d", err, again.count())
	}
	// Both away: nothing is lost, nothing was tried.
	_ = again.server.Close()
	_ = backup.server.Close()
	if err := c.deliverAt(t, "example.org", now.Add(2*time.Minute)); !errors.Is(err, notice.ErrUnreachable) {
		t.Fatalf("%v", err)
	}
}

// In doubt the backup is not asked: the first may have taken the mail.
func TestInDoubtTheBackupIsNotAsked(t *testing.T) {
	t.Parallel()
	first, backup := newSink(t, "127.0.0.1:0"), newSink(t, "127.0.0.1:0")
	first.data = func() error { _ = first.server.Close(); return nil } // hangs up instead of the 250
	c := testChannel(t, Config{SMTPAddr: first.addr, BackupAddr: backup.addr, BackupTLS: TLSNone})
	if err := c.deliverAt(t, "example.org", goldenNow); !errors.Is(err, notice.ErrInDoubt) {
		t.Fatalf("%v", err)
	}
	if backup.count() != 0 {
		t.Error("the backup was asked")
	}
}

func TestARefusalIsNotShoppedAround(t *testing.T) {
	t.Parallel()
	first, backup := newSink(t, "127.0.0.1:0"), newSink(t, "127.0.0.1:0")
	first.data = func() error {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "spam"}
	}
	c := testChannel(t, Config{SMTPAddr: first.addr, BackupAddr: backup.addr, BackupTLS: TLSNone})
	var refusal *notice.Refusal
	if err := c.deliverAt(t, "example.org", goldenNow); !errors.As(err, &refusal) || !refusal.Permanent || backup.count() != 0 {
		t.Fatalf("%v, backup %d", err, backup.count())
	}
}

// Five per second to a domain: the burst goes, the rest gets moments of its
// own at that rate, and other domains do not wait.
func TestTheRatePerDomain(t *testing.T) {
	t.Parallel()
	l := newDomainLimits(5)
	now := goldenNow
	var waits []time.Duration
	for range 15 {
		if wait := l.take("example.org", now); wait > 0 {
			waits = append(waits, wait)
		}
	}
	if len(waits) != 10 || waits[0] != 200*time.Millisecond || waits[9] != 2*time.Second {
		t.Fatalf("waits %v", waits)
	}
	if wait := l.take("example.com", now); wait != 0 {
		t.Errorf("another domain waits %s", wait)
	}
	went := 0
	for i, wait := range waits {
		if again := l.take("example.org", now.Add(wait)); again == 0 {
			went++
		} else {
			t.Logf("%d comes at %s and waits %s more", i, wait, again)
		}
	}
	if went != len(waits) {
		t.Errorf("%d of %d went at their moment", went, len(waits))
	}
}
