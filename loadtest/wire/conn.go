// Package wire loads an HTTP server with requests that were encoded beforehand. On a machine that also runs the server
// every microsecond of the generator is taken from what it measures, so it does what net/http does not: two system calls
// a request, no goroutine beside the connection's own, no allocation.
package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

// conn is one connection with one request under way at a time.
type conn struct {
	tcp  net.Conn
	raw  syscall.RawConn
	step func(fd uintptr) bool

	request []byte
	sent    bool
	buf     []byte
	got     int
	head    int // length of the head, once it is there
	length  int // of the body
	chunked bool
	at      int // where the next chunk begins
	fail    error
}

func dial(ctx context.Context, addr string, until time.Time) (*conn, error) {
	tcp, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	stream, ok := tcp.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%s is not TCP", addr)
	}
	raw, err := stream.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{tcp: tcp, raw: raw, buf: make([]byte, 16<<10)}
	c.step = c.advance
	return c, tcp.SetDeadline(until)
}

// do sends a request and reads its answer; the body is valid until the next call, and a chunked one is as it came.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	c.request, c.sent, c.got, c.head, c.length, c.chunked, c.at, c.fail = request, false, 0, 0, 0, false, 0, nil
	if err := c.raw.Read(c.step); err != nil {
		return 0, nil, err
	}
	if c.fail != nil {
		return 0, nil, c.fail
	}
	status, err = strconv.Atoi(string(c.buf[9:12]))
	return status, c.buf[c.head : c.head+c.length], err
}

// advance is called when something may be read; false means: call again then. The request is written in here as well:
// the poller was armed before, so the answer cannot slip through between the write and the wait, and there need be no
// read that finds nothing yet.
func (c *conn) advance(fd uintptr) bool {
	if !c.sent {
		c.sent = true
		n, err := syscall.Write(int(fd), c.request)
		if err == nil && n != len(c.request) {
			err = errors.New("a request did not fit into an empty socket")
		}
		c.fail = err
		return err != nil
	}
	for {
		n, err := syscall.Read(int(fd), c.buf[c.got:])
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return false
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			c.fail = err
			return true
		case n == 0:
			c.fail = errors.New("the server closed the connection")
			return true
		}
		c.got += n
		if c.complete() {
			return true
		}
		if c.got == len(c.buf) { // once: the next answer has that room
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
	}
}

var (
	headEnd    = []byte("\r\n\r\n")
	lineEnd    = []byte("\r\n")
	lengthKey  = []byte("\r\nContent-Length: ") // as net/http writes it
	chunkedKey = []byte("\r\ntransfer-encoding: chunked\r\n")
)

func (c *conn) complete() bool {
	if c.head == 0 {
		end := bytes.Index(c.buf[:c.got], headEnd)
		if end < 0 {
			return false
		}
		c.head = end + len(headEnd)
		c.at = c.head
		at := bytes.Index(c.buf[:c.head], lengthKey)
		if at < 0 {
			if c.chunked = bytes.Contains(bytes.ToLower(c.buf[:c.head]), chunkedKey); !c.chunked {
				c.fail = errors.New("an answer that does not say how long it is")
				return true
			}
			return c.lastChunk()
		}
		for _, b := range c.buf[at+len(lengthKey) : c.head] {
			if b < '0' || b > '9' {
				break
			}
			c.length = 10*c.length + int(b-'0')
		}
	}
	if c.chunked {
		return c.lastChunk()
	}
	return c.got >= c.head+c.length
}

// lastChunk walks over the chunks that are here whole (RFC 9112, 7.1).
func (c *conn) lastChunk() bool {
	for c.at < c.got {
		n := bytes.Index(c.buf[c.at:c.got], lineEnd)
		if n < 0 {
			return false
		}
		size, err := strconv.ParseUint(string(c.buf[c.at:c.at+n]), 16, 31)
		if err != nil {
			c.fail = fmt.Errorf("size of a chunk: %w", err)
			return true
		}
		next := c.at + n + 2*len(lineEnd) + int(size)
		if next > c.got {
			return false
		}
		c.at = next
		if size == 0 {
			c.length = c.at - c.head
			return true
		}
	}
	return false
}

func (c *conn) close() { _ = c.tcp.Close() }
