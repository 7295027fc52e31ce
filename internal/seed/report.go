package seed

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Progress is told how a load comes along. Implementations are safe for
// concurrent use.
type Progress interface {
	// Expect says how many things there are to do in all, before the first.
	Expect(total int)
	// Step says that one more is done, or refused for that reason.
	Step(refused string)
}

// Summary is what a load did. Present counts what was there from an earlier run.
type Summary struct {
	Rows       int            `json:"rows"`
	BadRows    []BadRow       `json:"bad_rows,omitempty"`
	ShiftWeeks int            `json:"shift_weeks"`
	Events     Tally          `json:"events"`
	Cancelled  int            `json:"cancelled"`
	Answers    Tally          `json:"answers"`
	Decided    map[string]int `json:"decided"` // answers by the state they got
	Changes    Tally          `json:"changes"`
	Skipped    map[string]int `json:"skipped,omitempty"` // lines of a trace
	Refused    []RefusedRow   `json:"refused,omitempty"`
	Seconds    float64        `json:"seconds"`
	PerSecond  float64        `json:"answers_per_second"`
	Latency    Latency        `json:"answer_latency_ms"`
}

// Latency is how long answers took, in milliseconds, as the client saw it,
// waiting for the server's Retry-After included.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Tally counts outcomes.
type Tally struct {
	Done    int            `json:"done"`
	Present int            `json:"present"`
	Refused map[string]int `json:"refused"` // by slug
}

// RefusedRow is a row whose event the API did not take, or did not cancel.
type RefusedRow struct {
	ID     string `json:"id"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Lost counts what was to be loaded and is not there. That an event is full is
// no loss but the answer that a guest gets.
func (s *Summary) Lost() int {
	n := len(s.BadRows) + len(s.Refused)
	for _, t := range []Tally{s.Answers, s.Changes} {
		for code, k := range t.Refused {
			switch code {
			case CodeEventFull, CodeNotEnoughSeats, reasonFirstRefused:
			default:
				n += k
			}
		}
	}
	return n
}

// The slugs of decisions that are not in a guest's favour.
const (
	CodeEventFull      = "event-full"
	CodeNotEnoughSeats = "not-enough-seats"
)

// The outcomes of one thing to do; a refusal is any other word.
const (
	outcomeDone    = ""
	outcomePresent = "\x00present"
)

// book gathers the summary from many goroutines.
type book struct {
	mu       sync.Mutex
	s        Summary
	latency  *hdrhistogram.Histogram
	progress Progress
}

func newBook(p Progress) *book {
	tally := func() Tally { return Tally{Refused: map[string]int{}} }
	return &book{
		progress: p, latency: hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3),
		s: Summary{Events: tally(), Answers: tally(), Changes: tally(), Decided: map[string]int{}},
	}
}

// note counts an outcome in the tally that pick chooses.
func (b *book) note(pick func(*Summary) *Tally, outcome string) {
	b.mu.Lock()
	t := pick(&b.s)
	refused := ""
	switch outcome {
	case outcomeDone:
		t.Done++
	case outcomePresent:
		t.Present++
	default:
		t.Refused[outcome]++
		refused = outcome
	}
	b.mu.Unlock()
	b.progress.Step(refused)
}

func (b *book) decided(status string, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Decided[status]++
	// What is out of its range is not worth an error: ten minutes.
	_ = b.latency.RecordValue(took.Microseconds())
}

func (b *book) with(f func(*Summary)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.s)
}

func (b *book) summary(took time.Duration) Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.s
	s.Seconds = took.Seconds()
	ms := func(v int64) float64 { return float64(v) / 1000 }
	s.Latency = Latency{P50: ms(b.latency.ValueAtQuantile(50)), P99: ms(b.latency.ValueAtQuantile(99)), Max: ms(b.latency.Max())}
	return s
}

func events(s *Summary) *Tally  { return &s.Events }
func answers(s *Summary) *Tally { return &s.Answers }
func changes(s *Summary) *Tally { return &s.Changes }

// Write prints the summary for people.
func (s *Summary) Write(w io.Writer) error {
	var b strings.Builder
	line := func(what string, t Tally) {
		fmt.Fprintf(&b, "  %-10s %8d done  %8d there already", what, t.Done, t.Present)
		for _, code := range slices.Sorted(maps.Keys(t.Refused)) {
			fmt.Fprintf(&b, "  %d refused: %s", t.Refused[code], code)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d rows in %.1f s, dates moved by %d weeks\n", s.Rows, s.Seconds, s.ShiftWeeks)
	line("events", s.Events)
	fmt.Fprintf(&b, "  %-10s %8d\n", "cancelled", s.Cancelled)
	line("answers", s.Answers)
	for _, status := range slices.Sorted(maps.Keys(s.Decided)) {
		fmt.Fprintf(&b, "    %-12s %8d\n", status, s.Decided[status])
	}
	line("changes", s.Changes)
	for _, reason := range slices.Sorted(maps.Keys(s.Skipped)) {
		fmt.Fprintf(&b, "  skipped    %8d %s\n", s.Skipped[reason], reason)
	}
	if s.PerSecond > 0 {
		fmt.Fprintf(&b, "  %.0f answers/s; one took p50 %.1f ms, p99 %.1f ms, at most %.0f ms\n", s.PerSecond, s.Latency.P50, s.Latency.P99, s.Latency.Max)
	}
	for _, r := range s.BadRows {
		fmt.Fprintf(&b, "  line %d %s: %s\n", r.Line, r.ID, r.Reason)
	}
	for _, r := range s.Refused {
		fmt.Fprintf(&b, "  %s: %s: %s\n", r.ID, r.Code, r.Detail)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
