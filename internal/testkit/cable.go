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

// Mend forwards again. What hung is closed: nobody knows how much of it arrived.
func (c *Cable) Mend() { c.set(forwarding) }

func (c *Cable) set(state cableState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
	if state == hanging {
		return
	}
	for conn := range c.open {
		_ = conn.Close()
	}
	clear(c.open)
}

func (c *Cable) is(state cableState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == state
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
	if !c.keep(client) {
		return
	}
	defer c.drop(client)
	server, err := new(net.Dialer).DialContext(ctx, "tcp", c.target)
	if err != nil || !c.keep(server) {
		return
	}
	defer c.drop(server)
	var back sync.WaitGroup
	back.Go(func() {
		c.pipe(client, server)
		_ = client.Close()
	})
	c.pipe(server, client)
	_ = server.Close()
	back.Wait()
}

// keep remembers a connection, or closes it when the cable is cut.
func (c *Cable) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == cut {
		_ = conn.Close()
		return false
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *Cable) drop(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

func (c *Cable) pipe(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if c.is(hanging) {
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
