package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// What an operator does with dead letters of the notifier: its consumer
// group's go back to its own handler, and mail that was given up goes again.
func TestDeadLettersOfTheNotifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	event, _ := w.event("Dead letters", 20*24*time.Hour, nil)
	sys, err := newSystem(w.env, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sys.close)

	// A message that nobody can read.
	out, err := kafkabus.NewPublisher(sys.Kafka, sys.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	poison := message.NewMessage(event+"@999", []byte(`{"event":"not an object"}`))
	env := contract.Envelope{Subject: event, Version: 999, Type: contract.EventEditedV1, Org: w.org, Payload: poison.Payload}
	poison.Metadata = env.Headers()
	poison.Metadata[kafkabus.MetaKey] = event
	if err := out.Publish(contract.TopicRegistrations, poison); err != nil {
		t.Fatal(err)
	}
	var letter kafkabus.DeadLetter
	testkit.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		letters, err := kafkabus.ReadDLQ(t.Context(), sys.Kafka, contract.GroupNotifier, 10)
		if err == nil && len(letters) != 1 {
			err = fmt.Errorf("%d letters", len(letters))
		}
		if err == nil {
			letter = letters[0]
		}
		return err
	})
	said := &bytes.Buffer{}
	testkit.Eventually(t, time.Minute, 200*time.Millisecond, func() error { // Kafka may be slow to give the letter
		said.Reset()
		err := sys.redrive(t.Context(), said, letter.ID)
		if err == nil {
			t.Fatalf("still poison, and taken: %s", said)
		}
		if !strings.Contains(said.String(), "rejected again") {
			return fmt.Errorf("%w, %s", err, said)
		}
		return nil
	})
	// By the operators' page it is the notifier that answers; a busy one may say 503 first.
	testkit.Eventually(t, time.Minute, 200*time.Millisecond, func() error {
		again, err := w.call("POST", "/v1/ops/dlq/"+letter.ID+"/redrive", nil, "Authorization", "Bearer "+opsToken)
		switch {
		case err == nil && again.Status == 503:
			return fmt.Errorf("still %s", again.Body)
		case err != nil || again.Status != 409:
			t.Errorf("still poison, by the operators' page: %d %s, %v", again.Status, again.Body, err)
		}
		return nil
	})

	// Mail that is refused for good. Three tries take minutes, so the last one is made by hand.
	w.mail.refuse("gone@example.net")
	w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{"name": "g", "email": "gone@example.net", "response": "going"},
		"Idempotency-Key", "gone", "Authorization", "")
	pool, err := sys.pool(t.Context(), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	var notice string
	testkit.Eventually(t, 60*time.Second, 50*time.Millisecond, func() error {
		_, err := pool.Exec(t.Context(), `UPDATE notifier.notification SET next_at = now() WHERE event_id = $1 AND state = 'failed'`, event)
		return errors.Join(err, pool.QueryRow(t.Context(), `SELECT id FROM notifier.notification WHERE event_id = $1 AND state = 'dead'`, event).Scan(&notice))
	})
	said.Reset()
	if err := sys.dlqList(t.Context(), "", 100, false, said); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{letter.ID, notice, "confirmation by mail", "smtp 550"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the list does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said.String(), "@example.net") {
		t.Errorf("the list names an address:\n%s", said)
	}
	said.Reset()
	if err := sys.showNotice(t.Context(), said, notice); err != nil || !strings.Contains(said.String(), "given up") {
		t.Errorf("%v, %s", err, said)
	}
	var guest string
	if err := pool.QueryRow(t.Context(), `SELECT rsvp_id FROM notifier.notification WHERE id = $1`, notice).Scan(&guest); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{notice}, {guest}, {"--dead"}} {
		text, failed := w.program(t, append([]string{"explain"}, args...)...)
		for _, want := range []string{notice + "  confirmation by mail: dead", "why        answered", "cause      rsvp.confirmed.v1, version", "of event " + event,
			"guest      RSVP " + guest, "3 attempts: smtp 550"} {
			if failed != nil || !strings.Contains(text, want) {
				t.Errorf("explain %v: %v, does not say %q:\n%s", args, failed, want, text)
			}
		}
		if strings.Contains(text, "@example.net") {
			t.Errorf("an address is named:\n%s", text)
		}
	}
	other, err := id.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"explain", other}, {"explain"}, {"explain", "1 OR 1=1"}, {"explain", "--dead", notice}} {
		if text, failed := w.program(t, args...); failed == nil {
			t.Errorf("%v: %s", args, text)
		}
	}
	if err := sys.resendNotices(t.Context(), said, other); err == nil {
		t.Error("what does not exist was sent again")
	}
	w.mail.refuse("")
	if err := sys.resendNotices(t.Context(), said, notice); err != nil {
		t.Fatal(err)
	}
	w.mail.arrived(t, "gone@example.net", "Dead letters")
	testkit.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		text, err := w.program(t, "explain", notice)
		if err == nil && (!strings.Contains(text, "confirmation by mail: sent") || !strings.Contains(text, "after it was due")) {
			err = errors.New(text)
		}
		return err
	})
}

// program runs this binary as the program, in the world's environment, and
// gives what it wrote to its standard output.
func (w *world) program(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...) //nolint:gosec // ourselves
	cmd.Env = append(append(os.Environ(), w.environ()...), asMain+"=1")
	out, err := cmd.Output()
	return string(out), err
}
