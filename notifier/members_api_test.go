package notifier

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

func TestAMemberSwitchesEachMailOff(t *testing.T) {
	t.Parallel()
	w, accounts := staffWorld(t)
	owner, editor, stranger := accounts[contract.RoleOwner], accounts[contract.RoleEditor], newID(t)
	path := "/v1/organizations/" + w.event.OrganizationID + "/mail-preferences"
	for who, want := range map[string]int{owner: 200, editor: 200, accounts[contract.RoleDoor]: 403, accounts[contract.RoleAnalyst]: 403, stranger: 404, "": 401} {
		for _, method := range []string{"GET", "PATCH"} {
			body := map[string]string{"PATCH": "{}"}[method]
			if status, answer, _ := w.call(method, path, who, body); status != want {
				t.Errorf("%s by %q: %d, expected %d: %s", method, who, status, want, answer)
			}
		}
	}
	if status, _, _ := w.call("PATCH", path, owner, `{"locale": "tlh"}`); status != 400 {
		t.Errorf("a language that is none of ours: %d", status)
	}
	if status, body, _ := w.call("PATCH", path, owner, `{"locale": "de"}`); status != 200 || !strings.Contains(body, `"digest":true`) {
		t.Errorf("%d %s", status, body)
	}
	w.hear(w.going("ana"))
	w.at(time.Date(2026, 5, 3, 6, 0, 0, 0, time.UTC))
	w.expectStaff(contract.RoleOwner, "Neue Antworten: Choir of Weimar")

	// One click in the editor's mail: a GET only asks.
	raw := w.ledger.raw(contract.RoleEditor + "@staff.example")
	found := regexp.MustCompile(`(?s)List-Unsubscribe: <([^>]+)>`).FindStringSubmatch(raw)
	if found == nil || !strings.Contains(raw, "List-Unsubscribe-Post: List-Unsubscribe=One-Click") {
		t.Fatalf("no one-click link in %s", raw)
	}
	link, err := url.Parse(strings.Join(strings.Fields(found[1]), ""))
	if err != nil {
		t.Fatal(err)
	}
	w.hear(w.going("bo"))
	if status, body, _ := w.call("GET", link.Path, "", ""); status != 200 || !strings.Contains(body, "digests of new answers") {
		t.Errorf("%d %s", status, body)
	}
	if got := w.memberStates(); got["digest planned"] != 2 {
		t.Errorf("after a GET: %v", got)
	}
	if status, _, _ := w.call("POST", link.Path, "", ""); status != 200 {
		t.Errorf("POST: %d", status)
	}
	if status, _, _ := w.call("POST", link.Path+"x", "", ""); status != 404 {
		t.Errorf("a forged link: %d", status)
	}
	w.ledger.forget(contract.RoleEditor + "@staff.example")
	w.at(time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC))
	w.expectStaff(contract.RoleEditor)
	w.expectStaff(contract.RoleOwner, "Neue Antworten: Choir of Weimar")
	capacity := 2
	w.counters = contract.Counters{Capacity: &capacity, Going: 2}
	w.hear(w.going("cy"))
	w.settle()
	w.expectStaff(contract.RoleEditor, "Full: Spring concert") // the other kind still comes
	_, body, _ := w.call("GET", path, editor, "")
	if !strings.Contains(body, `"digest":false`) || !strings.Contains(body, `"event_full":true`) {
		t.Error(body)
	}
}
