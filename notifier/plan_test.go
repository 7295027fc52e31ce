package notifier

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// "7d" is a week on the event's own clock, "24h" is elapsed time.
func TestRemindersAcrossAClockChange(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// Clocks go forward on Sunday, 29 March 2026 at 2:00.
	e := &contract.Event{StartsAt: time.Date(2026, 3, 29, 10, 0, 0, 0, berlin), TimeZone: "Europe/Berlin"}
	for _, c := range []struct {
		offset time.Duration
		want   time.Time
	}{
		{7 * 24 * time.Hour, time.Date(2026, 3, 22, 10, 0, 0, 0, berlin)},
		{48 * time.Hour, time.Date(2026, 3, 27, 10, 0, 0, 0, berlin)},
		{24 * time.Hour, time.Date(2026, 3, 28, 9, 0, 0, 0, berlin)},
		{time.Hour, time.Date(2026, 3, 29, 9, 0, 0, 0, berlin)},
		{90 * time.Minute, time.Date(2026, 3, 29, 8, 30, 0, 0, berlin)},
	} {
		if got := remindAt(e, c.offset); !got.Equal(c.want) {
			t.Errorf("%s before: %s, expected %s", c.offset, got.In(berlin), c.want)
		}
	}
	// A week before falls into the hour that does not exist: it is still planned, once.
	e.StartsAt = time.Date(2026, 4, 5, 2, 30, 0, 0, berlin)
	if got := remindAt(e, 7*24*time.Hour); got.After(time.Date(2026, 3, 29, 3, 30, 0, 0, berlin)) || got.Before(time.Date(2026, 3, 29, 1, 30, 0, 0, berlin)) {
		t.Errorf("in the gap: %s", got.In(berlin))
	}
	// An unknown zone must not lose the reminder.
	e.TimeZone = "Mars/Olympus"
	if got := remindAt(e, 7*24*time.Hour); !got.Equal(e.StartsAt.Add(-7 * 24 * time.Hour)) {
		t.Errorf("unknown zone: %s", got)
	}
}

func testCause(version int64, wireName, actor string, now time.Time) cause {
	return cause{env: &contract.Envelope{Subject: "e", Version: version, Type: wireName, Actor: actor}, now: now, quiet: time.Minute}
}

// The same message planned twice gives the same rows: ids are derived.
func TestPlanningIsDeterministic(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	ev := &notice.Event{ID: "e", Known: true, Body: contract.Event{
		Status: contract.EventPublished, StartsAt: now.Add(100 * time.Hour), EndsAt: now.Add(102 * time.Hour)}}
	m := contract.RSVPMessage{RSVP: contract.RSVP{ID: "r", Status: contract.StatusConfirmed, PartySize: 2, Reminders: true}}
	c := testCause(7, contract.RSVPConfirmedV1, "guest:r", now)
	_, a := onRSVP(c, ev, nil, m)
	_, b := onRSVP(c, ev, nil, m)
	if len(a.Add) != 4 {
		t.Fatalf("planned %d notices, expected a confirmation, two reminders and a thank-you: %+v", len(a.Add), a.Add)
	}
	seen := map[string]bool{}
	for i := range a.Add {
		if a.Add[i].ID != b.Add[i].ID {
			t.Errorf("%s got another id", a.Add[i].Kind)
		}
		if seen[a.Add[i].ID] {
			t.Errorf("%s shares its id", a.Add[i].Kind)
		}
		seen[a.Add[i].ID] = true
		if a.Add[i].Reason == "" || a.Add[i].CauseType != contract.RSVPConfirmedV1 || a.Add[i].CauseVersion != 7 {
			t.Errorf("%s cannot be explained: %+v", a.Add[i].Kind, a.Add[i])
		}
	}
}

func TestEveryMessagePlansWhatItShould(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	ev := &notice.Event{ID: "e", Known: true, Body: contract.Event{
		Status: contract.EventPublished, StartsAt: now.Add(100 * time.Hour), EndsAt: now.Add(102 * time.Hour)}}
	before := &notice.Guest{RSVPID: "r", Status: contract.StatusConfirmed, PartySize: 1, Reminders: true, Sealed: []byte("a")}
	for _, c := range []struct {
		name, wire, actor, status string
		party                     int
		sealed                    string
		kind                      notice.Kind
		reason                    string
	}{
		{"guest cancels", contract.RSVPCancelledV1, "guest:r", contract.StatusCancelled, 1, "a", notice.Cancelled, ReasonWithdrawn},
		{"member cancels", contract.RSVPCancelledV1, "member:m", contract.StatusCancelled, 1, "a", notice.Cancelled, ReasonByOrganizer},
		{"party grows", contract.RSVPChangedV1, "guest:r", contract.StatusConfirmed, 3, "a", notice.Changed, ReasonAnswerChanged},
		{"answers change", contract.RSVPChangedV1, "guest:r", contract.StatusConfirmed, 1, "b", notice.Changed, ReasonAnswerChanged},
		{"consents change", contract.RSVPChangedV1, "guest:r", contract.StatusConfirmed, 1, "a", "", SkipNoNews},
		{"comes in", contract.CheckedInV1, "member:m", contract.StatusConfirmed, 1, "a", "", SkipNoNews},
		{"is taken out again", contract.CheckInUndoneV1, "member:m", contract.StatusConfirmed, 1, "a", "", SkipNoNews},
		{"gives feedback", contract.FeedbackGivenV1, "guest:r", contract.StatusConfirmed, 1, "a", "", SkipNoNews},
		{"is rejected", contract.RSVPRejectedV1, "member:m", contract.StatusCancelled, 1, "a", notice.Rejected, ReasonByOrganizer},
		{"declines an offer", contract.RSVPOfferLapsedV1, "guest:r", contract.StatusCancelled, 1, "a", notice.Cancelled, ReasonWithdrawn},
		{"asks for the link", contract.LinkRequestedV1, "system:link", contract.StatusConfirmed, 1, "a", notice.ManageLink, ReasonLinkRequested},
	} {
		m := contract.RSVPMessage{RSVP: contract.RSVP{ID: "r", Status: c.status, PartySize: c.party, Reminders: true, Sealed: []byte(c.sealed)}}
		_, p := onRSVP(testCause(9, c.wire, c.actor, now), ev, before, m)
		switch {
		case c.kind == "" && (len(p.Add) != 0 || p.Skipped != c.reason):
			t.Errorf("%s: planned %+v (%s), expected nothing (%s)", c.name, p.Add, p.Skipped, c.reason)
		case c.kind != "" && (len(p.Add) != 1 || p.Add[0].Kind != c.kind || p.Add[0].Reason != c.reason):
			t.Errorf("%s: planned %+v, expected %s (%s)", c.name, p.Add, c.kind, c.reason)
		}
	}
}

func TestBackOffGrowsAndStaysBounded(t *testing.T) {
	t.Parallel()
	last := time.Duration(0)
	for attempt := range 60 {
		pause := backOff(&notice.Notice{ID: "x", Attempts: attempt})
		if pause < last || pause > longPause+longPause/4 {
			t.Errorf("attempt %d waits %s after %s", attempt, pause, last)
		}
		last = pause
	}
}
