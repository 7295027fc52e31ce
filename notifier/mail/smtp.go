package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/turnout-events/turnout/notifier/notice"
)

// The ways to encrypt the way to the SMTP server.
const (
	TLSNone     = "none"     // the development inbox
	TLSStartTLS = "starttls" // refused if the server offers none
	TLSImplicit = "tls"
)

// ServerConfig says where an SMTP server is.
type ServerConfig struct {
	// Addr is host:port.
	Addr string
	// User and Password are optional.
	User, Password string
	// TLS is none, starttls or tls.
	TLS string
	// Timeout bounds a dial and a message up to its end; 0 means 15 s.
	Timeout time.Duration
	// Reply bounds the wait for what the server says of a whole message; 0 means
	// 10 min (RFC 5321, 4.5.3.2.6): who hangs up earlier sends it again.
	Reply time.Duration
}

// Server keeps connections to one SMTP server open between messages. Safe for
// concurrent use: each message has a connection to itself while it goes.
type Server struct {
	client  *gomail.Client
	name    string
	timeout time.Duration
	reply   time.Duration

	mu   sync.Mutex
	idle []*conn
}

type conn struct {
	c    *smtp.Client
	used time.Time
	sent int
}

const (
	// maxIdle: most servers drop a silent connection after 30 s to 5 min.
	maxIdle = 20 * time.Second
	// maxPerConn: many servers refuse further messages after some hundred.
	maxPerConn = 200
)

// NewServer checks the settings and connects to nothing.
func NewServer(cfg ServerConfig) (*Server, error) {
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("smtp: %q is not host:port", cfg.Addr)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("smtp: %q is not host:port", cfg.Addr)
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	reply := cfg.Reply
	if reply == 0 {
		reply = 10 * time.Minute
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(timeout)}
	switch cfg.TLS {
	case TLSNone, "":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	case TLSStartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLSImplicit:
		options = append(options, gomail.WithSSL())
	default:
		return nil, fmt.Errorf("smtp: TLS %q: want none, starttls or tls", cfg.TLS)
	}
	if cfg.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(cfg.User), gomail.WithPassword(cfg.Password))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return &Server{client: client, name: cfg.Addr, timeout: timeout, reply: reply}, nil
}

// Name is for logs and metrics.
func (s *Server) Name() string { return s.name }

// Letter is a written message and its envelope.
type Letter struct {
	From string // of the envelope: bounces go there
	To   string
	Raw  []byte

	buffer *bytes.Buffer // that Raw is in, unless it is signed
}

// Release gives the letter's memory back; it has no message then.
func (l *Letter) Release() {
	if l.Raw = nil; l.buffer != nil {
		buffers.Put(l.buffer)
		l.buffer = nil
	}
}

// Send hands the letter over. Nil means that the server has taken it (250
// after the data). Otherwise it is a *notice.Refusal, notice.ErrUnreachable or
// notice.ErrInDoubt. When ctx ends it waits for an answer no longer.
func (s *Server) Send(ctx context.Context, l *Letter) error {
	for {
		c, fresh, err := s.take(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", notice.ErrUnreachable, err)
		}
		if offered, _ := c.c.Extension("SMTPUTF8"); !offered && l.international() {
			s.put(c)
			return &notice.Refusal{Permanent: true, Words: noInternational}
		}
		stage, err := s.converse(ctx, c.c, l)
		if err == nil {
			s.put(c)
			return nil
		}
		refused, bye := refusal(err)
		if refused != nil && (!bye || stage == stageDone) {
			if bye || stage < stageDone && c.c.Reset() != nil {
				_ = c.c.Close()
			} else {
				s.put(c)
			}
			return refused
		}
		_ = c.c.Close()
		switch {
		case stage == stageMail && !fresh:
			continue // it had hung up on an idle connection
		case stage < stageData:
			return fmt.Errorf("%w: %w", notice.ErrUnreachable, err)
		default:
			return fmt.Errorf("%w: %w", notice.ErrInDoubt, err)
		}
	}
}

// refusal keeps the codes of a reply; its text stays out, because servers put
// the address into it. Nil: it was not a reply. The server's good-bye (421) is
// no opinion on the letter, but after the data it says that it was not taken
// (4yz, RFC 5321, 4.2.1).
func refusal(err error) (refused *notice.Refusal, bye bool) {
	var reply *textproto.Error
	if !errors.As(err, &reply) || reply.Code < 400 {
		return nil, false
	}
	words := "smtp " + strconv.Itoa(reply.Code)
	if code := enhancedCode.FindString(reply.Msg); code != "" {
		words += " " + code
	}
	return &notice.Refusal{Permanent: reply.Code >= 500, Words: words}, reply.Code == 421
}

// enhancedCode is what RFC 2034 puts before the text of a reply.
var enhancedCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// take gives an idle connection or a new one.
func (s *Server) take(ctx context.Context) (c *conn, fresh bool, err error) {
	for {
		s.mu.Lock()
		n := len(s.idle)
		if n == 0 {
			s.mu.Unlock()
			break
		}
		c = s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		if time.Since(c.used) < maxIdle && c.sent < maxPerConn {
			return c, false, nil
		}
		_ = s.client.CloseWithSMTPClient(c.c)
	}
	client, err := s.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, true, err
	}
	return &conn{c: client}, true, nil
}

func (s *Server) put(c *conn) {
	c.used = time.Now()
	c.sent++
	s.mu.Lock()
	s.idle = append(s.idle, c)
	s.mu.Unlock()
}

// Close ends the idle connections.
func (s *Server) Close() {
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, c := range idle {
		_ = s.client.CloseWithSMTPClient(c.c)
	}
}
