package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// told is what a client was told: an RSVP was taken.
type told struct {
	EventID string `json:"event_id"`
	RSVPID  string `json:"rsvp_id"`
	Version int64  `json:"version"`
	Status  string `json:"status"`
}

// ledger is what the clients of a world know, kept apart from the system. Answers are noted as they come and read later:
// reading costs what is to be measured.
type ledger struct {
	bodies  []byte // answers of 201, end to end
	ends    []int
	unknown int64 // requests without an answer, or with one that leaves it open (5xx): either is right
}

// note is what one load adds; each worker has its own.
type note struct {
	bodies  []byte
	ends    []int
	unknown int64
}

func (n *note) answer(status int, body []byte) {
	switch {
	case status == 201:
		n.bodies = append(n.bodies, body...)
		n.ends = append(n.ends, len(n.bodies))
	case status >= 500:
		n.unknown++
	}
}

func (l *ledger) add(notes []note, f *wire.Figures) {
	for _, n := range notes {
		base := len(l.bodies)
		l.bodies = append(l.bodies, n.bodies...)
		for _, end := range n.ends {
			l.ends = append(l.ends, base+end)
		}
		l.unknown += n.unknown
	}
	l.unknown += f.Failed
}

func (l *ledger) read(each func(told) error) error {
	from := 0
	for _, end := range l.ends {
		var a struct {
			told
			ID string `json:"id"`
		}
		if err := json.Unmarshal(l.bodies[from:end], &a); err != nil {
			return fmt.Errorf("answer %s: %w", l.bodies[from:end], err)
		}
		a.RSVPID, from = a.ID, end
		if err := each(a.told); err != nil {
			return err
		}
	}
	return nil
}

// seated counts the confirmed and the others of one event.
func (l *ledger) seated(event string) (confirmed, others int, err error) {
	err = l.read(func(t told) error {
		switch {
		case t.EventID != event:
		case t.Status == "confirmed":
			confirmed++
		default:
			others++
		}
		return nil
	})
	return confirmed, others, err
}

// check looks for what no client may ever see: one RSVP or one version told twice.
func (l *ledger) check() error {
	rsvps, versions := make(map[string]bool, len(l.ends)), make(map[string]bool, len(l.ends))
	return l.read(func(t told) error {
		v := t.EventID + "@" + strconv.FormatInt(t.Version, 10)
		if rsvps[t.RSVPID] || versions[v] {
			return fmt.Errorf("told twice: %+v", t)
		}
		rsvps[t.RSVPID], versions[v] = true, true
		return nil
	})
}

func (l *ledger) save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	out := json.NewEncoder(w)
	return errors.Join(l.read(func(t told) error { return out.Encode(t) }), w.Flush(), f.Close())
}

// verify compares the ledger with everything that the system keeps. Nothing may load it any more.
func (w *world) verify(ctx context.Context, o options) ([]row, error) {
	if err := w.ledger.check(); err != nil {
		return nil, err
	}
	var stored int64
	if err := w.db.QueryRow(ctx, "SELECT count(*) FROM rsvp").Scan(&stored); err != nil {
		return nil, err
	}
	acked := int64(len(w.ledger.ends))
	path := filepath.Join(w.dir, "ledger.jsonl")
	if err := w.ledger.save(path); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, w.binary, "verify", "--json", "--ledger", path, "--stores", o.stores, "--wait", "20m")
	cmd.Env = append(os.Environ(), w.environ()...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := cmd.Run()
	var report struct {
		Messages int64
		Wrong    map[string]int
		Findings []json.RawMessage
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		return nil, fmt.Errorf("turnout verify: %w: %s", errors.Join(failed, err), tailOf(stderr.Bytes()))
	}
	wrong := 0
	for check, n := range report.Wrong {
		wrong += n
		fmt.Printf("turnout verify: %s: %d findings\n", check, n)
	}
	for _, f := range report.Findings[:min(len(report.Findings), 5)] {
		fmt.Printf("  %s\n", f)
	}
	count := func(name, unit string, v int64) row {
		return row{Name: name, Unit: unit, Median: float64(v), Low: float64(v), High: float64(v), N: acked}
	}
	return []row{
		count("acknowledged in all", "RSVPs", acked),
		count("outcome not told", "requests", w.ledger.unknown),
		count("stored beyond what was acknowledged or not told", "RSVPs", max(0, stored-acked-w.ledger.unknown)).exactly(0),
		count("acknowledged beyond what is stored", "RSVPs", max(0, acked-stored)).exactly(0),
		count("findings of turnout verify ("+o.stores+")", "findings", int64(wrong)).exactly(0),
	}, nil
}

func tailOf(b []byte) []byte { return b[max(0, len(b)-2000):] }

// drain runs the roles that were stopped until nothing is left to publish; verify then waits for the stores.
func (w *world) drain(ctx context.Context, o options) error {
	if o.stores == "none" {
		return nil
	}
	for _, name := range []string{"relay", "project"} {
		if _, err := w.role(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
