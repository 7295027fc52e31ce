package seed

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar draws a load as it comes along: how much is done, how fast, how long it
// will take, and what was refused why.
type Bar struct {
	out   io.Writer
	tty   bool
	now   func() time.Time
	began time.Time

	mu      sync.Mutex
	bar     *progressbar.ProgressBar
	total   int
	done    int
	printed time.Time
	refused map[string]int
}

// NewBar draws to out: a bar that moves on a terminal, else a line every five
// seconds, for a log has no use for a thousand bars.
func NewBar(out io.Writer, terminal bool, now func() time.Time) *Bar {
	return &Bar{out: out, tty: terminal, now: now, refused: map[string]int{}}
}

const lineEvery = 5 * time.Second

// Expect starts the bar.
func (b *Bar) Expect(total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.began, b.printed = total, b.now(), b.now()
	if !b.tty {
		return
	}
	b.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(b.out), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("req"), progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetDescription("loading"))
}

// Step moves the bar by one.
func (b *Bar) Step(refused string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if refused != "" {
		b.refused[refused]++
	}
	if b.bar != nil {
		if refused != "" {
			b.bar.Describe("loading (" + b.reasons() + ")")
		}
		// A bar that can't be drawn must not stop the load.
		_ = b.bar.Add(1)
		return
	}
	if now := b.now(); now.Sub(b.printed) >= lineEvery || b.done == b.total {
		b.printed = now
		_, _ = fmt.Fprintln(b.out, b.line(now))
	}
}

// Close ends the line of the bar.
func (b *Bar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_, _ = fmt.Fprintln(b.out)
	}
}

func (b *Bar) line(now time.Time) string {
	took := now.Sub(b.began)
	line := fmt.Sprintf("loading: %d of %d", b.done, b.total)
	if took > 0 && b.done > 0 {
		perSecond := float64(b.done) / took.Seconds()
		left := time.Duration(float64(b.total-b.done) / perSecond * float64(time.Second))
		line += fmt.Sprintf(", %.0f/s, %s left", perSecond, left.Round(time.Second))
	}
	if len(b.refused) > 0 {
		line += " (" + b.reasons() + ")"
	}
	return line
}

func (b *Bar) reasons() string {
	parts := make([]string, 0, len(b.refused))
	for _, reason := range slices.Sorted(maps.Keys(b.refused)) {
		parts = append(parts, fmt.Sprintf("%d %s", b.refused[reason], reason))
	}
	return "refused: " + strings.Join(parts, ", ")
}
