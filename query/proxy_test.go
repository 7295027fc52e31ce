package query_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable is a TCP proxy in front of a store that can be cut, or left hanging.
type cable struct {
	t      *testing.T
	target string
	l      net.Listener

	mu    sync.Mutex
	state string // "" forwards, "cut" refuses, "hang" takes and never answers
	conns map[net.Conn]struct{}
}

func newCable(t *testing.T, target string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cable{t: t, target: target, l: l, conns: map[net.Conn]struct{}{}}
	go c.serve()
	t.Cleanup(func() { _ = l.Close(); c.set("cut") })
	return c
}

func (c *cable) addr() string { return c.l.Addr().String() }

// set changes the state and ends what is open.
func (c *cable) set(state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
	for conn := range c.conns {
		if state != "hang" {
			_ = conn.Close()
		}
	}
}

func (c *cable) now() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *cable) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[conn] = struct{}{}
}

func (c *cable) serve() {
	for {
		client, err := c.l.Accept()
		if err != nil {
			return
		}
		c.keep(client)
		if c.now() == "cut" {
			_ = client.Close()
			continue
		}
		go c.forward(client)
	}
}

func (c *cable) forward(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	c.keep(server)
	defer func() { _ = server.Close() }()
	go c.pipe(server, client)
	c.pipe(client, server)
}

func (c *cable) pipe(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if c.now() == "hang" {
			_, _ = io.Copy(io.Discard, from) // swallow, answer nothing
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}
