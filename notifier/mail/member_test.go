package mail

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

func TestGoldenMailsToMembers(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	capacity, start := 40, time.Date(2026, 5, 16, 17, 30, 0, 0, time.UTC)
	for _, language := range template.Languages {
		for _, kind := range notice.MemberKinds {
			t.Run(language+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				d := goldenDelivery(notice.Confirmation, language)
				d.Guest, d.Notice.Kind, d.Notice.RSVPID = nil, kind, ""
				d.Notice.AccountID = "01968f2e-7a00-7000-8000-000000000003"
				d.Member = &notice.Member{OrganizationID: "01968f2e-7a00-7000-8000-000000000004", AccountID: d.Notice.AccountID, Role: contract.RoleOwner,
					Choice: notice.Choice{Digest: true, EventFull: true, Locale: language}}
				d.Event.Going, d.Event.Held, d.Event.Waitlisted, d.Event.Body.Capacity = 38, 2, 7, &capacity
				d.News = []notice.News{
					{Title: "Spring concert & <supper>", Slug: "spring-concert", StartsAt: start, TimeZone: "Europe/Berlin", Going: 38, Held: 2, Capacity: &capacity,
						People: 5, Answers: map[string]int{contract.StatusConfirmed: 3, contract.StatusWaitlisted: 1, contract.StatusCancelled: 2}},
					{Title: "Open rehearsal", Slug: "open-rehearsal", StartsAt: start.AddDate(0, 1, 0), TimeZone: "Europe/Berlin", Going: 1, People: 1,
						Answers: map[string]int{contract.StatusConfirmed: 1, contract.StatusMaybe: 1, contract.StatusDeclined: 1}},
				}
				l, err := w.Letter(d, contract.Personal{Name: "Ödön O'Neil", Email: "odon@example.org"}, goldenNow)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, filepath.Join("testdata", language, string(kind)+".txt"), flatten(t, l.Raw))
			})
		}
	}
}

func TestAMembersLinkStopsOneKindOfOneMember(t *testing.T) {
	t.Parallel()
	w := testWriter(t)
	org, account := "01968f2e-7a00-7000-8000-000000000004", "01968f2e-7a00-7000-8000-000000000003"
	for _, kind := range notice.MemberKinds {
		text := w.links.MemberOff(org, account, kind)
		o, a, k, err := w.links.Member(text)
		if err != nil || o != org || a != account || k != kind {
			t.Errorf("%s %s %s, %v", o, a, k, err)
		}
		for i := range text { // every changed character is found out
			forged := []byte(text)
			forged[i] ^= 1
			if _, _, _, err := w.links.Member(string(forged)); err == nil {
				t.Errorf("changed at %d it still holds", i)
			}
		}
		if _, err := w.links.RSVP(text); err == nil {
			t.Error("a member's link passes for a guest's")
		}
	}
	if _, _, _, err := w.links.Member(w.links.Unsubscribe(account)); err == nil {
		t.Error("a guest's link passes for a member's")
	}
}
