package seed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Answer is one line of a trace of answers. Several lines of one RSVP are its
// history as it was seen: repeats occur, and the greatest MTime is the truth,
// the last line on a tie.
type Answer struct {
	Source   string `json:"src"`
	RSVP     ident  `json:"rsvp"`
	Event    ident  `json:"event"`
	Member   ident  `json:"member"`
	Response string `json:"response"` // yes, no, waitlist
	Guests   int    `json:"guests"`   // companions
	Created  int64  `json:"created"`  // Unix seconds
	MTime    int64  `json:"mtime"`    // Unix seconds
}

// ident is an id that traces write as text or as a number.
type ident string

// UnmarshalJSON reads "12", 12 and null.
func (i *ident) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(i))
	}
	if string(b) != "null" {
		*i = ident(b)
	}
	return nil
}

// ReadTrace reads lines of answers, gzipped or not. A line that is none is
// reported; only a failing reader is an error.
func ReadTrace(in io.Reader, limit int) ([]Answer, []BadRow, error) {
	head := bufio.NewReaderSize(in, 64<<10)
	if magic, err := head.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		zip, err := gzip.NewReader(head)
		if err != nil {
			return nil, nil, fmt.Errorf("opening gzip: %w", err)
		}
		head = bufio.NewReaderSize(zip, 64<<10)
	}
	var answers []Answer
	var bad []BadRow
	lines := bufio.NewScanner(head)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan() && (limit == 0 || len(answers) < limit); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var a Answer
		err := json.Unmarshal(lines.Bytes(), &a)
		if err == nil {
			err = a.check()
		}
		if err != nil {
			bad = append(bad, BadRow{Line: n, ID: string(a.RSVP), Reason: err.Error()})
			continue
		}
		answers = append(answers, a)
	}
	return answers, bad, lines.Err()
}

func (a *Answer) check() error {
	switch {
	case a.Event == "" || a.Member == "" || a.RSVP == "":
		return fmt.Errorf("event, member and rsvp are needed")
	case a.Response != "yes" && a.Response != "no" && a.Response != "waitlist":
		return fmt.Errorf("response %q is none of yes, no, waitlist", a.Response)
	case a.Guests < 0:
		return fmt.Errorf("guests is negative")
	}
	return nil
}

// eventID is the external id of the trace's event: a row of the events file
// has it, else it is made up.
func (a *Answer) eventID(known map[string]bool) string {
	if known[string(a.Event)] {
		return string(a.Event)
	}
	return "trace-" + a.Source + "-" + string(a.Event)
}

// seat tells the guests of an event apart: by the member, since one address
// has one RSVP per event, whatever the trace calls it.
func (a *Answer) seat() string { return a.Source + "/" + string(a.Member) }

func (a *Answer) party() int {
	if a.Response == "no" {
		return 1
	}
	return 1 + a.Guests
}

// A seat of the trace while it is being planned.
type traced struct {
	number int
	last   Answer
}

// planTrace replays the answers in their order. Who answers again changes the
// answer; an exact repeat is sent as a repeat; a line older than what was seen
// of its RSVP is skipped, for a guest who came back later does not undo it.
// With share > 0 each event's capacity is that part of the seats it ends with.
func planTrace(answers []Answer, rows []Row, share float64) Plan {
	p := Plan{Skipped: map[string]int{}}
	known := map[string]bool{}
	for i := range rows {
		known[rows[i].ID] = true
	}
	seats := map[string]map[string]*traced{}
	widest := map[string]int{}
	var order []string
	for i := range answers {
		a := &answers[i]
		id := a.eventID(known)
		if seats[id] == nil {
			seats[id] = map[string]*traced{}
			order = append(order, id)
		}
		widest[id] = max(widest[id], a.party())
		seen := seats[id][a.seat()]
		step := Step{Event: id, Seat: a.seat(), Who: member(a.Source, string(a.Member)), Kind: kindAnswer, Response: going, Party: a.party()}
		if a.Response == "no" {
			step.Response = notGoing
		}
		switch {
		case seen == nil:
			seats[id][a.seat()] = &traced{last: *a}
		case seen.last == *a:
			step.Number, step.Repeat = seen.number, true
			if seen.number > 0 {
				step.Kind = kindChange
			}
		case a.MTime < seen.last.MTime:
			p.Skipped["older-than-seen"]++
			continue
		default:
			seen.number++
			step.Number, step.Kind = seen.number, kindChange
			seen.last = *a
		}
		p.Steps = append(p.Steps, step)
	}
	for n, id := range order {
		if !known[id] {
			p.MadeUp = append(p.MadeUp, madeUp(id, n))
		}
	}
	resize(rows, seats, widest, share)
	resize(p.MadeUp, seats, widest, share)
	return p
}

// resize makes room for the widest party, and sets the capacity by the share.
func resize(rows []Row, seats map[string]map[string]*traced, widest map[string]int, share float64) {
	for i := range rows {
		r := &rows[i]
		r.MaxParty = max(r.MaxParty, widest[r.ID])
		final := 0
		for _, t := range seats[r.ID] {
			if t.last.Response == "yes" {
				final += t.last.party()
			}
		}
		if share > 0 && final > 0 {
			capacity := max(1, int(math.Ceil(share*float64(final))))
			r.Capacity, r.Waitlist = &capacity, waitlistOf(r)
		}
	}
}

// madeUp is the event that a trace names and nobody describes: an evening in
// the weeks to come, one after the other.
func madeUp(id string, n int) Row {
	in := 14 + n%180
	return Row{
		ID: id, Source: "trace", Title: "Traced evening " + strconv.Itoa(n+1),
		Description: "An event of a replayed trace of answers.",
		StartIn:     &in, At: "19:00", Lasts: "2h", TZ: "UTC", Tags: []string{"trace"}, Status: "active",
	}
}
