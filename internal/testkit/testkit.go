package testkit

import (
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// patience is the least that Eventually waits, whatever it is told: the machine may be busy with other things, and a test
// that passes pays none of it.
const patience = time.Minute

// Eventually calls check at once and then every so often until it returns nil, and fails the test with check's last error
// when it has not after total, or a minute if that is less. It is how a test waits: never by sleeping. Who promises
// something within a time looks at the clock.
func Eventually(t testing.TB, total, every time.Duration, check func() error) {
	t.Helper()
	eventually(t, max(total, patience), every, check)
}

func eventually(t testing.TB, total, every time.Duration, check func() error) {
	t.Helper()
	end := time.NewTimer(total)
	defer end.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for over := false; ; {
		err := check()
		switch {
		case err == nil:
			return
		case over:
			t.Fatalf("not within %s: %v", total, err)
		}
		select {
		case <-tick.C:
		case <-end.C:
			over = true // and a last look: everything may have stood still since the one before
		case <-t.Context().Done():
			t.Fatalf("test ended while waiting: %v", err)
		}
	}
}

// Logger returns a logger that writes to the test's own log, so that a failure shows what the roles said, and a pass nothing.
func Logger(t testing.TB) *slog.Logger {
	w := &testWriter{out: t.Output()}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testWriter drops what comes after the test's end: writing then panics, and a goroutine that logs while it is being
// stopped is no reason to hide the test's own result.
type testWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		return len(p), nil
	}
	return w.out.Write(p)
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = nil
}
