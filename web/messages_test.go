package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const mailAPI = "/v1/events/" + eventID

func told(more map[string]string) map[string]string {
	answers := map[string]string{
		"GET " + mailAPI + "/announcements": `{"items":[{"id":"a1","to":"going","subject":"Doors <b>","body":"At seven.","recipients":3,"without_consent":1,
			"created_at":"2026-05-01T10:00:00Z","states":{"sent":2,"planned":1}},{"id":"a2","to":"all","subject":"Over","body":"x","recipients":1,"states":{"sent":1},"created_at":"2026-05-01T10:00:00Z"}]}`,
		"GET " + mailAPI + "/campaigns": `{"items":[{"id":"c1","name":"Spring <i>","state":"running","created_at":"2026-05-01T10:00:00Z","variants":[{"subject":"s"}]},
			{"id":"c2","name":"","state":"paused","created_at":"2026-05-01T10:00:00Z","variants":[{"subject":"Autumn"}]},
			{"id":"c3","name":"Done","state":"done","created_at":"2026-05-01T10:00:00Z","finished_at":"2026-05-02T10:00:00Z","variants":[{"subject":"s"}]}]}`,
		"GET " + mailAPI + "/notifications": `{"items":[{"rsvp_id":"` + rsvpID + `","name":"Ada <script>","email":"ada@example.net","kind":"reminder","channel":"push","state":"failed",
			"reason":"before-start","outcome":"not-tried","attempts":3,"due_at":"2026-05-01T10:00:00Z","planned_at":"2026-05-01T10:00:00Z"}],"next_cursor":"o/2"}`,
	}
	for k, v := range more {
		answers[k] = v
	}
	return answers
}

func TestMessagesShowWhatWasTold(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "editor", told(nil))
	status, page := d.see(eventPath + "/messages?state=failed&kind=reminder&cursor=o1&done=sent")
	if status != http.StatusOK {
		t.Fatalf("%d\n%s", status, page)
	}
	has(t, page, "Doors &lt;b&gt;", "Who is going · 3 guests, 1 did not want news", "<b>2</b> Sent", "<b>1</b> Waits", "Spring &lt;i&gt;", "Ada &lt;script&gt;", "Reminder, on a device",
		"Will be tried again", "before start; not tried; 3 attempts", "The mails go out now", `href="`+eventPath+`/messages?cursor=o%2F2&amp;kind=reminder&amp;state=failed#log"`,
		`href="`+eventPath+`/messages?kind=reminder&amp;state=failed#log"`, "over Sat 2 May 2026, 12:00")
	if n := strings.Count(page, `value="take-back"`); n != 1 {
		t.Errorf("%d announcements can be taken back, want the one that waits", n)
	}
	if got := []int{strings.Count(page, `value="pause"`), strings.Count(page, `value="resume"`), strings.Count(page, `value="cancel"`)}; got[0] != 1 || got[1] != 1 || got[2] != 2 {
		t.Errorf("buttons to pause, go on, cancel: %v", got)
	}
	if got := d.asked("GET " + mailAPI + "/notifications"); len(got) != 1 || got[0].query != "cursor=o1&kind=reminder&limit=50&state=failed" {
		t.Errorf("asked for %+v", got)
	}
	_, page = signedInDesk(t, "owner", told(map[string]string{"GET " + mailAPI: event(t, map[string]any{"organization_id": ownOrg, "status": "draft"})})).see(eventPath + "/messages")
	lacks(t, page, `name="subject"`)
	_, page = signedInDesk(t, "analyst", told(nil)).see(eventPath + "/messages") // the API gives names to editors alone
	has(t, page, "Will be tried again")
	lacks(t, page, `name="subject"`, "Doors &lt;b&gt;", `value="pause"`, eventPath+"/guests/"+rsvpID)
	door := signedInDesk(t, "door", map[string]string{"GET " + mailAPI + "/notifications": `{"status":403,"title":"Your role does not allow this"}`})
	if status, _ := door.see(eventPath + "/messages"); status != http.StatusForbidden {
		t.Errorf("the door gets %d", status)
	}
}

// An announcement is looked at before it goes, with the number of those it goes to, and nothing that was typed is lost.
func TestAnAnnouncementIsSeenBeforeItGoes(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", told(map[string]string{
		"POST " + mailAPI + "/campaigns/preview": `{"recipients":4,"skipped":{"without-consent":2},"exact":true}`, "POST " + mailAPI + "/announcements": `{"id":"a3"}`,
	}))
	form := url.Values{"action": {"preview"}, "to": {"all"}, "subject": {" Doors <b> "}, "body": {"Dear all,\r\n\r\n</textarea><script>x</script>"}}
	_, page := d.send(eventPath+"/messages", form)
	has(t, page, "It goes to 12 guests, and to those who are still pending. 6 guests did not want", "Doors &lt;b&gt;", "&lt;/textarea&gt;&lt;script&gt;x", `name="key" value="`)
	if w := d.writes(); len(w) > 0 {
		t.Fatalf("sent without a look: %q", w)
	}
	form.Set("action", "edit")
	_, page = d.send(eventPath+"/messages", form)
	has(t, page, `value=" Doors &lt;b&gt; "`, "&lt;/textarea&gt;&lt;script&gt;x", `<option value="all" selected>`)
	form.Set("action", "send")
	form.Set("key", "k")
	res, _ := d.send(eventPath+"/messages", form)
	got := d.asked("POST " + mailAPI + "/announcements")
	if res.Header.Get("Location") != eventPath+"/messages?done=sent" || len(got) != 1 || got[0].header.Get("Idempotency-Key") == "" ||
		got[0].body != `{"body":"Dear all,\n\n\u003c/textarea\u003e\u003cscript\u003ex\u003c/script\u003e","subject":"Doors \u003cb\u003e","to":"all"}` {
		t.Errorf("to %q, asked for %+v", res.Header.Get("Location"), got)
	}
	// What is refused, and what is not yet anything, is shown with what was typed. Without the number it can be sent too.
	for _, c := range []struct{ subject, answer, want string }{
		{"Kept", `{"status":429,"code":"announcement-limit","detail":"Enough for this hour"}`, "Enough for this hour"}, {" ", "", "Please write a subject"},
	} {
		d := signedInDesk(t, "owner", told(map[string]string{"POST " + mailAPI + "/announcements": c.answer}))
		action := "send"
		if c.answer == "" {
			action = "preview"
		}
		res, page := d.send(eventPath+"/messages?done=sent", url.Values{"action": {action}, "to": {"maybe"}, "subject": {c.subject}, "body": {"All of it"}})
		has(t, page, c.want, ">All of it</textarea>", `<option value="maybe" selected>`)
		lacks(t, page, "The mails go out")
		if res.StatusCode < 400 {
			t.Errorf("%d", res.StatusCode)
		}
	}
	_, page = signedInDesk(t, "owner", told(nil)).send(eventPath+"/messages", url.Values{"action": {"preview"}, "to": {"going"}, "subject": {"a"}, "body": {"b"}})
	has(t, page, "cannot be counted for the moment", `value="send"`)
}

// Whose announcement may have gone looks at it once more and sends it again: guests get it once.
func TestAnAnnouncementIsSentOnce(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", told(map[string]string{"POST " + mailAPI + "/announcements": `{"status":503,"code":"unavailable","detail":"Try again"}`}))
	_, page := d.see(eventPath + "/messages")
	for range 2 {
		form := url.Values{"to": {"going"}, "subject": {"Doors"}, "body": {"At seven"}, "key": {hidden(page, "key")}}
		form.Set("action", "preview")
		_, page = d.send(eventPath+"/messages", form)
		form.Set("action", "send")
		form.Set("key", hidden(page, "key"))
		_, page = d.send(eventPath+"/messages", form)
		has(t, page, "Try again")
	}
	got := d.asked("POST " + mailAPI + "/announcements")
	if key := got[0].header.Get("Idempotency-Key"); len(got) != 2 || key == "" || got[1].header.Get("Idempotency-Key") != key {
		t.Errorf("asked for %+v", got)
	}
}

func TestMailThatHasNotGoneIsStopped(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", told(map[string]string{"DELETE " + mailAPI + "/announcements/a1": `{"cancelled":1}`, "POST " + mailAPI + "/campaigns/c1/pause": `{}`,
		"POST " + mailAPI + "/campaigns/c2/resume": `{}`, "POST " + mailAPI + "/campaigns/c1/cancel": `{}`,
		"POST " + mailAPI + "/campaigns/c3/cancel": `{"status":409,"code":"campaign-state","detail":"It is done"}`}))
	for _, c := range []struct{ action, id, done, what string }{
		{"take-back", "a1", "taken-back", "DELETE " + mailAPI + "/announcements/a1"}, {"pause", "c1", "pause", "POST " + mailAPI + "/campaigns/c1/pause"},
		{"resume", "c2", "resume", "POST " + mailAPI + "/campaigns/c2/resume"}, {"cancel", "c1", "stopped", "POST " + mailAPI + "/campaigns/c1/cancel"},
	} {
		form := url.Values{"action": {c.action}, "id": {c.id}}
		if c.action == "take-back" || c.action == "cancel" {
			_, page := d.send(eventPath+"/messages", form)
			has(t, page, `name="sure" value="yes"`, `name="id" value="`+c.id+`"`)
			if len(d.asked(c.what)) > 0 {
				t.Errorf("%s was not asked about", c.action)
			}
			form.Set("sure", "yes")
		}
		res, _ := d.send(eventPath+"/messages", form)
		if res.Header.Get("Location") != eventPath+"/messages?done="+c.done || len(d.asked(c.what)) != 1 {
			t.Errorf("%s: to %q, asked for %+v", c.action, res.Header.Get("Location"), d.asked(c.what))
		}
	}
	res, page := d.send(eventPath+"/messages", url.Values{"action": {"cancel"}, "id": {"c3"}, "sure": {"yes"}})
	has(t, page, "It is done")
	if res.StatusCode != http.StatusConflict {
		t.Errorf("%d", res.StatusCode)
	}
}
