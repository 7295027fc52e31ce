package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// sink is an SMTP server that takes everything and notes when and which. It says 250 once a message is on disk, as every
// server must (RFC 5321, 6.1): all that wait share one fsync. It lives in this process and costs both arms the same.
type sink struct {
	addr    string
	server  *smtp.Server
	journal *os.File
	wait    chan arrival

	mu    sync.Mutex
	got   map[string]time.Time // by the left half of the Message-ID: the notification; first arrival
	again int                  // mails that came before
	bytes int64
	mails int64
}

func newSink(ctx context.Context, dir string) (*sink, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{addr: l.Addr().String(), got: map[string]time.Time{}, wait: make(chan arrival, 64)}
	if s.journal, err = os.Create(filepath.Join(dir, "journal")); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go s.journaling() // for as long as the process: a session may still hand something over
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return sinkSession{s}, nil }))
	s.server.Domain, s.server.EnableSMTPUTF8 = "sink.test", true
	s.server.ErrorLog = unheard{}
	go func() { _ = s.server.Serve(l) }() // ends with close
	return s, nil
}

func (s *sink) close() error { return errors.Join(s.server.Close(), s.journal.Close()) }

// reset forgets what came.
func (s *sink) reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.journal.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := s.journal.Truncate(0); err != nil {
		return err
	}
	s.got, s.again, s.bytes, s.mails = map[string]time.Time{}, 0, 0, 0
	return nil
}

// arrived gives how many different mails came, how many came again, and the size of an average one.
func (s *sink) arrived() (mails, again, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mails > 0 {
		size = int(s.bytes / s.mails)
	}
	return len(s.got), s.again, size
}

// await waits until n different mails are here, at most so long after the last one came.
func (s *sink) await(ctx context.Context, n int, silence time.Duration) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, since := -1, time.Now()
	for {
		mails, _, _ := s.arrived()
		if mails >= n {
			return nil
		}
		if mails != last {
			last, since = mails, time.Now()
		}
		if time.Since(since) > silence {
			return errors.New("the mail stopped coming")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// last is when the last of the different mails came.
func (s *sink) last() (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.got {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// arrival is a message that waits for the disk.
type arrival struct {
	raw  []byte
	done chan error
}

// journaling writes what waits, all at once, until the server is closed.
func (s *sink) journaling() {
	for first := range s.wait {
		batch := []arrival{first}
		for more := true; more; {
			select {
			case a, open := <-s.wait:
				if more = open; open {
					batch = append(batch, a)
				}
			default:
				more = false
			}
		}
		var err error
		for _, a := range batch {
			_, e := s.journal.Write(a.raw)
			err = errors.Join(err, e)
		}
		err = errors.Join(err, s.journal.Sync())
		for _, a := range batch {
			a.done <- err
		}
	}
}

// unheard drops what the library logs: a line for every client that just leaves.
type unheard struct{}

func (unheard) Printf(string, ...any) {}
func (unheard) Println(...any)        {}

type sinkSession struct{ s *sink }

func (sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (sinkSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (sinkSession) Reset()                               {}
func (sinkSession) Logout() error                        { return nil }

func (x sinkSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	kept := make(chan error, 1)
	x.s.wait <- arrival{raw, kept}
	if err := <-kept; err != nil {
		return err
	}
	id := messageID(raw)
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.bytes += int64(len(raw))
	x.s.mails++
	if _, there := x.s.got[id]; there {
		x.s.again++
		return nil
	}
	x.s.got[id] = time.Now()
	return nil
}

// messageID is the left half of the Message-ID.
func messageID(raw []byte) string {
	_, rest, found := bytes.Cut(raw, []byte("Message-ID: <"))
	if !found {
		return ""
	}
	id, _, _ := bytes.Cut(rest, []byte("@"))
	return string(id)
}
