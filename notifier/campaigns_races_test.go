package notifier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/breaker"
	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// Two members press start, pause, resume and cancel at the same moment: every
// answer is a state or a refusal, and once it is cancelled it stays so.
func TestActionsOfTwoMembersDoNotMix(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.MailsPerHour = 3 })
	o.crowd(12)
	made := o.ask(201, "POST", "/campaigns", `{"subject": "Once", "body": "x", "segment": {"answer": "going"}}`)
	press := func(actions ...campaign.Action) {
		t.Helper()
		var both errgroup.Group
		for range 4 {
			for _, action := range actions {
				both.Go(func() error {
					status, answer, _ := o.call("POST", o.path+"/campaigns/"+made.ID+"/"+string(action), o.owner, "")
					if status != 200 && !(status == 409 && strings.Contains(answer, "campaign-state")) {
						return fmt.Errorf("%s: %d %s", action, status, answer)
					}
					return nil
				})
			}
		}
		if err := both.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	press(campaign.Start)
	press(campaign.Pause, campaign.Resume)
	o.ask(200, "POST", "/campaigns/"+made.ID+"/pause", "")
	o.ask(200, "POST", "/campaigns/"+made.ID+"/resume", "")
	o.until(made.ID, func(a campaignAnswer) bool { return a.Counts.Planned && a.states()["sent"] == 3 })
	press(campaign.Pause, campaign.Cancel, campaign.Resume)
	a := o.until(made.ID, func(a campaignAnswer) bool { return a.states()["void"] == 9 })
	if a.State != string(campaign.Cancelled) {
		t.Errorf("%+v", a)
	}
	o.after(5 * time.Hour)
	o.n.campaigns.poke()
	o.settle()
	got := map[string]int{}
	for _, e := range o.ledger.all() {
		got[e.To]++
	}
	if len(got) != 3 || len(o.ledger.all()) != 3 {
		t.Errorf("%v", got)
	}
}

// A mail that is put back to be held after its campaign has been resumed goes
// as soon as there is room, not when those that went meanwhile are an hour old.
func TestWhatIsPutBackAfterAResumeGoesWithTheRest(t *testing.T) {
	t.Parallel()
	const perHour = 3
	o := newOffice(t, func(c *Config) { c.MailsPerHour = perHour })
	o.crowd(5)
	made := o.ask(201, "POST", "/campaigns", `{"subject": "x", "body": "x", "segment": {"answer": "going"}}`)
	o.stop() // nobody releases or claims but the test
	ctx, now, store := t.Context(), o.clock.Now(), o.n.store
	move := func(a campaign.Action) pgstore.Campaign {
		t.Helper()
		row, err := store.MoveCampaign(ctx, made.ID, a, "", now)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	release := func(want int64) {
		t.Helper()
		if n, err := store.Release(ctx, perHour, now); err != nil || n != want {
			t.Fatalf("released %d, expected %d: %v", n, want, err)
		}
	}
	if err := o.n.campaigns.plan(ctx, move(campaign.Start)); err != nil {
		t.Fatal(err)
	}
	release(perHour)
	claimed, err := store.Claim(ctx, notice.ChannelMail, "x", now, time.Minute, 1)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d: %v", len(claimed), err)
	}
	move(campaign.Pause)
	// Its worker has just read that the campaign is paused.
	move(campaign.Resume)
	release(perHour - 1) // the one that is claimed counts
	held := pgstore.Result{ID: claimed[0].ID, Fence: claimed[0].Fence, State: notice.Planned, Outcome: pgstore.HeldPaused, Hold: true}
	if n, err := store.Record(ctx, []pgstore.Result{held}); err != nil || n != 1 {
		t.Fatalf("recorded %d: %v", n, err)
	}
	release(1)
}

// A planner that is stopped between any two batches leaves what the next one
// goes on with: nobody is left out, nobody gets two.
func TestAPlannerStoppedAnywhereIsFollowed(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	const guests = 1100
	o.crowd(guests)
	made := o.ask(201, "POST", "/campaigns", `{"subject": "Many", "body": "x", "segment": {"answer": "going"}}`)
	o.stop()
	row, err := o.n.store.MoveCampaign(t.Context(), made.ID, campaign.Start, "", o.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for after := time.Millisecond; ; after *= 2 { // somewhere else each time
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err := o.n.campaigns.plan(ctx, row)
		cancel()
		if err == nil {
			break
		}
		if stopped++; after > time.Minute {
			t.Fatal(err)
		}
		if row, err = o.n.store.Campaign(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
	}
	if stopped == 0 {
		t.Error("nothing was interrupted")
	}
	o.start()
	a := o.until(made.ID, done)
	got := map[string]int{}
	for _, e := range o.ledger.all() {
		got[e.To]++
	}
	if len(got) != guests || len(o.ledger.all()) != guests || a.Counts.Recipients != guests {
		t.Errorf("%d people got %d mails; %+v", len(got), len(o.ledger.all()), a)
	}
}

// What cannot be planned for the moment holds nobody else up.
func TestACampaignThatWaitsForKeysHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.crowd(0)
	o.hear(o.guest("ana", contract.RSVPConfirmedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Consents.Marketing = true }))
	o.settle()
	o.ledger.reset()
	away := func(err error) {
		o.keys.mu.Lock()
		o.keys.err = err
		o.keys.mu.Unlock()
	}
	away(errors.New("away"))
	first := o.campaign(`{"subject": "All over", "body": "x", "segment": {"scope": "organization"}}`)
	second := o.campaign(`{"subject": "Here", "body": "x", "segment": {"answer": "going"}}`)
	o.until(second.ID, func(a campaignAnswer) bool { return a.Counts.Planned })
	if a := o.ask(200, "GET", "/campaigns/"+first.ID, ""); a.Counts.Planned {
		t.Error("planned without keys")
	}
	away(nil)
	o.clock.Advance(breaker.Max) // mail rests from having failed for want of keys
	for _, a := range []campaignAnswer{first, second} {
		if a = o.until(a.ID, done); a.states()["sent"] != 1 {
			t.Errorf("%+v", a)
		}
	}
}

func TestCampaignsOfAnEventAreBounded(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	var first campaignAnswer
	for i := range 50 {
		if a := o.ask(201, "POST", "/campaigns", `{"subject": "x", "body": "x"}`); i == 0 {
			first = a
		}
	}
	if status, answer, _ := o.call("POST", o.path+"/campaigns", o.owner, `{"subject": "x", "body": "x"}`); status != 409 || !strings.Contains(answer, "too-many-campaigns") {
		t.Errorf("%d %s", status, answer)
	}
	o.ask(200, "POST", "/campaigns/"+first.ID+"/cancel", "")
	o.ask(201, "POST", "/campaigns", `{"subject": "x", "body": "x"}`)
}

// Words that say nothing for some guests are told of in a preview, and keep
// only those guests' mail from going.
func TestWordsThatSayNothingForSome(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.crowd(1)
	o.hear(o.guest("family", contract.RSVPConfirmedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.PartySize = 4 }))
	o.settle()
	o.ledger.reset()
	const words = `{"subject": "{{if gt .PartySize 2}}Bring the children{{end}}", "body": "x", "segment": {"answer": "going"}}`
	if status, answer, _ := o.call("POST", o.path+"/campaigns/preview", o.owner, words); status != 400 || !strings.Contains(answer, `"pointer":"/subject"`) {
		t.Errorf("%d %s", status, answer)
	}
	a := o.until(o.campaign(words).ID, done)
	if got := a.states(); got["sent"] != 1 || got["void"] != 1 || len(o.ledger.to("family@example.org")) != 1 {
		t.Errorf("%v", got)
	}
	var outcome string
	err := o.pool.QueryRow(t.Context(), `SELECT outcome FROM notifier.notification WHERE kind = 'campaign' AND state = 'void'`).Scan(&outcome)
	if err != nil || outcome != "no-words-for-this-guest" {
		t.Errorf("%q, %v", outcome, err)
	}
}
