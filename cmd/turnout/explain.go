package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// explain says of a notification, or of all about an RSVP, why it exists, when
// it was due, which message caused it and what became of it. It shows no
// personal data: an operator has no need to know whom.
func explain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("explain", stderr)
	dead := f.Bool("dead", false, "list what was given up")
	resend := f.Bool("resend", false, "send ID, or with --dead all that was given up, again")
	f.Usage = func() {
		_, _ = fmt.Fprintf(stderr, "usage: turnout explain [--resend] ID | turnout explain --dead [--resend]\n\nID is a notification's or an RSVP's id.\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return errUsage
	}
	if *dead != (f.NArg() == 0) || f.NArg() > 1 || f.NArg() == 1 && !id.Valid(f.Arg(0)) {
		f.Usage()
		return errUsage
	}
	s, err := load[settings]()
	if err != nil {
		return err
	}
	s.Postgres.MaxConns, s.Postgres.Name = 1, "turnout-explain"
	pool, err := postgres.Open(ctx, s.Postgres, s.logger(stderr))
	if err != nil {
		return err
	}
	defer pool.Close()
	store := pgstore.New(pool)
	if *resend {
		n, err := store.Revive(ctx, f.Arg(0), time.Now().UTC())
		if err == nil {
			_, _ = fmt.Fprintf(stdout, "%d to be sent again\n", n)
		}
		return err
	}
	var notices []notice.Notice
	if *dead {
		notices, err = store.Dead(ctx, 1000)
	} else if notices, err = store.Explain(ctx, f.Arg(0)); err == nil && len(notices) == 0 {
		err = fmt.Errorf("there is neither a notification nor an RSVP with notifications of id %s", f.Arg(0))
	}
	if err != nil {
		return err
	}
	for i := range notices {
		explainOne(stdout, &notices[i], time.Now())
	}
	return nil
}

func explainOne(w io.Writer, n *notice.Notice, now time.Time) {
	line := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  %-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	_, _ = fmt.Fprintf(w, "%s  %s by %s: %s\n", n.ID, n.Kind, n.Channel, n.State)
	line("why", "%s", n.Reason)
	line("cause", "%s, version %d of event %s", n.CauseType, n.CauseVersion, n.EventID)
	if n.AccountID != "" {
		line("member", "account %s", n.AccountID)
	} else {
		line("guest", "RSVP %s", n.RSVPID)
	}
	if n.Detail.Subscription != "" {
		line("device", "%s", n.Detail.Subscription)
	}
	line("planned", "%s", stamp(n.PlannedAt))
	line("due", "%s", stamp(n.DueAt))
	switch n.State {
	case notice.Sent, notice.Delivered, notice.Bounced:
		line("sent", "%s, %s after it was due", stamp(n.FinishedAt), n.FinishedAt.Sub(n.DueAt).Round(time.Millisecond))
	case notice.Void:
		line("void", "%s since %s", n.Outcome, stamp(n.FinishedAt))
	case notice.Dead:
		line("given up", "%s, %d attempts: %s", stamp(n.FinishedAt), n.Attempts, n.Outcome)
	case notice.Claimed:
		line("claimed", "its lease ends %s", stamp(n.LeaseUntil))
	default:
		if n.Attempts > 0 || n.Outcome != "" {
			line("so far", "%d attempts, last: %s", n.Attempts, n.Outcome)
		}
		if wait := n.DueAt.Sub(now); wait > 0 {
			line("waits", "%s more", wait.Round(time.Second))
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }
