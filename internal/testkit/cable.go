package testkit

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Cable is a TCP proxy in front of an engine that everybody shares: pulling it takes the engine away from one test alone.
// It cannot stand before Kafka, whose clients go to the address that the broker tells them; see OwnBroker.
type Cable struct {
	listener net.Listener
	target   string
	wait     sync.WaitGroup

	mu    sync.Mutex
	state cableState
	open  map[net.Conn]struct{}
	hangs int // how often it has hung: connections from before stay dead
}

type cableState int

const (
	forwarding cableState = iota
	cut
	hanging
)

// NewCable listens in front of target (host:port) until the test ends.
func NewCable(t testing.TB, target string) *Cable {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cable{listener: l, target: target, open: map[net.Conn]struct{}{}}
	c.wait.Go(func() { c.accept(context.WithoutCancel(t.Context())) })
	t.Cleanup(func() {
		_ = l.Close()
		c.Cut()
		c.wait.Wait()
	})
	return c
}

// NewCableURL is NewCable for an engine that is named by a URL; it gives the URL that goes through the cable.
func NewCableURL(t testing.TB, engine string) (cable *Cable, through string) {
	t.Helper()
	u, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	cable = NewCable(t, u.Host)
	u.Host = cable.Addr()
	return cable, u.String()
}

// Addr is where clients connect.
func (c *Cable) Addr() string { return c.listener.Addr().String() }

// Cut closes what is open and everything that comes: the engine has died.
func (c *Cable) Cut() { c.set(cut) }

// Hang swallows what is sent, takes new connections, and never answers: the network has died.
func (c *Cable) Hang() { c.set(hanging) }

// Mend forwards again, and closes what hung.
func (c *Cable) Mend() { c.set(forwarding) }

// Reroute forwards new connections. What hung stays silent for good: a router has lost its table, and tells nobody.
func (c *Cable) Reroute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = forwarding
}

func (c *Cable) set(state cableState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
	if state == hanging {
		c.hangs++
		return
	}
	for conn := range c.open {
		_ = conn.Close()
	}
	clear(c.open)
}

// silent tells whether a connection that was made after so many hangs is dead.
func (c *Cable) silent(since int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == hanging || c.hangs != since
}

func (c *Cable) accept(ctx context.Context) {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.wait.Go(func() { c.forward(ctx, client) })
	}
}

func (c *Cable) forward(ctx context.Context, client net.Conn) {
	since, kept := c.keep(client)
	if !kept {
		return
	}
	defer c.drop(client)
	server, err := new(net.Dialer).DialContext(ctx, "tcp", c.target)
	if err != nil {
		return
	}
	if _, kept = c.keep(server); !kept {
		return
	}
	defer c.drop(server)
	var back sync.WaitGroup
	back.Go(func() {
		c.pipe(client, server, since)
		_ = client.Close()
	})
	c.pipe(server, client, since)
	_ = server.Close()
	back.Wait()
}

// keep remembers a connection, or closes it when the cable is cut. One that is made while the cable hangs never speaks.
func (c *Cable) keep(conn net.Conn) (since int, kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == cut {
		_ = conn.Close()
		return 0, false
	}
	c.open[conn] = struct{}{}
	if c.state == hanging {
		return -1, true
	}
	return c.hangs, true
}

func (c *Cable) drop(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

func (c *Cable) pipe(to, from net.Conn, since int) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if c.silent(since) {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
