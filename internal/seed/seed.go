// Package seed loads events and answers through the public API, as an
// organizer and guests would. It reads JSON lines (README.md in demo says which
// fields), never touches a store, and may be stopped and started again at any
// point: nothing is doubled.
//
// Read on in load.go; counts.go, profile.go and trace.go say what guests do.
package seed

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Where the answers come from, beside the path of a trace.
const (
	AnswersNone    = "none"
	AnswersProfile = "profile"
	AnswersCounts  = "counts"
)

// AutoShift asks for the smallest shift that puts every event ahead.
const AutoShift = -1

// Config says what to load and how.
type Config struct {
	URL           string  // origin of the API
	Email         string  // the organizer's account, made if it is not there
	Password      string  //
	Answers       string  // none, profile, counts or trace
	ShiftWeeks    int     // AutoShift by default
	CapacityShare float64 // trace only: capacity as a part of the final seats; 0 = unlimited
	Workers       int     // requests at a time, 64
	Rate          float64 // requests a second, 0 = as fast as it goes
	State         string  // path of the journal, "" = none
}

// AnswersTrace replays Input.Trace.
const AnswersTrace = "trace"

// Input is what to load.
type Input struct {
	Rows  []Row
	Bad   []BadRow // lines that are no rows; they are only reported
	Trace []Answer
	Name  string // what the rows come from; with Config it names the load
}

// Validate says what is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	switch c.Answers {
	case AnswersNone, AnswersProfile, AnswersCounts, AnswersTrace:
	default:
		errs = append(errs, fmt.Errorf("answers %q: none, profile, counts or the path of a trace", c.Answers))
	}
	if c.Email == "" || c.Password == "" {
		errs = append(errs, errors.New("the organizer's address and password are needed"))
	}
	if c.ShiftWeeks < AutoShift {
		errs = append(errs, errors.New("the shift is a number of weeks from 0"))
	}
	if c.CapacityShare < 0 || c.CapacityShare > 1 {
		errs = append(errs, errors.New("the capacity share lies between 0 and 1"))
	}
	if c.Workers < 1 || c.Workers > 1024 {
		errs = append(errs, errors.New("workers: 1 to 1024"))
	}
	if c.Rate < 0 {
		errs = append(errs, errors.New("the rate is not negative"))
	}
	return errors.Join(errs...)
}

// Run loads the input and says what came of it. On an error, the summary says
// what was done until then; another run goes on from there.
func Run(ctx context.Context, c Config, in Input, p Progress, now func() time.Time) (Summary, error) {
	if err := c.Validate(); err != nil {
		return Summary{}, err
	}
	api, err := NewAPI(c.URL, c.Workers, c.Rate)
	if err != nil {
		return Summary{}, err
	}
	defer api.Close()
	account, err := NewAccount(ctx, api, c.Email, c.Password, now)
	if err != nil {
		return Summary{}, err
	}
	l := &loader{config: c, in: in, api: api, account: account, book: newBook(p), now: now}
	if err := l.prepare(); err != nil {
		return Summary{}, err
	}
	began := now()
	err = l.load(ctx)
	took := now().Sub(began)
	s := l.book.summary(took)
	if n := s.Answers.Done + s.Changes.Done; took > 0 && n > 0 && l.answering > 0 {
		s.PerSecond = float64(n) / l.answering.Seconds()
	}
	return s, errors.Join(err, l.journal.Close())
}

// loadID names a load: the same file to the same account in the same way. The
// account's id makes sure that a journal is not taken for one about a data base
// that was emptied and filled anew.
func loadID(c Config, account, name string) string {
	h := sum("load", strings.TrimRight(c.URL, "/"), c.Email, account, c.Answers, name, fmt.Sprint(c.CapacityShare))
	return hex.EncodeToString(h[:12])
}

// Digest names what a reader has, for Input.Name.
func Digest(parts ...[]byte) string {
	s := make([]string, len(parts))
	for i, p := range parts {
		s[i] = string(p)
	}
	h := sum(s...)
	return hex.EncodeToString(h[:12])
}
