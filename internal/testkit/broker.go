package testkit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Broker is a Kafka of one test's own, to be killed; the script that starts everybody's starts it.
type Broker struct {
	Addr string // host:port, the same after every restart

	t   testing.TB
	dir string
	env []string
}

// OwnBroker starts one. Like Engines it skips a short run, and a run on brokers of somebody else.
func OwnBroker(t testing.TB) *Broker {
	t.Helper()
	if os.Getenv("TURNOUT_TEST_KAFKA_BROKERS") != "" {
		t.Skip("needs to kill a broker, and the one in TURNOUT_TEST_KAFKA_BROKERS is somebody else's")
	}
	Engines(t)
	dir, err := os.MkdirTemp("", "turnout-broker-") //nolint:usetesting // t.TempDir is closed to the user that runs the engines
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the engine may run as a user of its own
		t.Fatal(err)
	}
	addrs := LowAddrs(t, brokerPorts, 2)
	b := &Broker{t: t, dir: dir, Addr: addrs[0]}
	_, port, _ := strings.Cut(addrs[0], ":")
	_, controller, _ := strings.Cut(addrs[1], ":")
	b.env = append(os.Environ(), "TURNOUT_LOCAL_DIR="+dir, "TURNOUT_LOCAL_KAFKA_PORT="+port, "TURNOUT_LOCAL_KAFKA_CONTROLLER_PORT="+controller,
		"TURNOUT_KAFKA_BROKERS=", // ours; the three others are not wanted
		"TURNOUT_POSTGRES_URL=none", "TURNOUT_REDIS_URL=none", "TURNOUT_ELASTIC_URL=none")
	t.Cleanup(func() {
		b.script("reset")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	b.Start()
	return b
}

// Start starts the broker, again after Kill, with the data that it had, and waits until it answers.
func (b *Broker) Start() {
	b.t.Helper()
	b.script("up")
}

// Kill ends the broker as a power cut of its machine's processes would: no farewell to anybody.
func (b *Broker) Kill() {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "engines", "run", "kafka.pid"))
	if err != nil {
		b.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Broker) script(word string) {
	b.t.Helper()
	root, err := Root()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), 5*time.Minute) // longer than the script waits
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root, "deploy", "local", "engines.sh"), word) // our own script
	cmd.Env = b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("engines.sh %s: %v\n%s", word, err, out)
	}
}

// Ports lie below those that the kernel gives to outgoing connections: a client that dials a dead server's port again and
// again may otherwise be given that very port to dial from, and the server cannot come back. Packages are tested at once:
// what one has chosen and does not listen on yet, another must not choose.
type Ports struct{ from, to int }

var (
	// RolePorts are for the roles that the program's tests start.
	RolePorts   = Ports{10_000, 18_000}
	brokerPorts = Ports{18_000, 25_000}
)

// given are the addresses that this process has handed out: nobody may listen there yet.
var given sync.Map

// LowAddrs gives n addresses on loopback where nobody listens, none twice in one process.
func LowAddrs(t testing.TB, p Ports, n int) []string {
	t.Helper()
	var addrs []string
	for tries := 0; len(addrs) < n; tries++ {
		if tries > 1000 {
			t.Fatal("testkit: no free ports")
		}
		addr := fmt.Sprintf("127.0.0.1:%d", p.from+rand.IntN(p.to-p.from))
		if _, ours := given.LoadOrStore(addr, true); ours {
			continue
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			continue // somebody else's
		}
		_ = l.Close()
		addrs = append(addrs, addr)
	}
	return addrs
}
