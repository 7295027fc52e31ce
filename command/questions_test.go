package command_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

// A process that knows the event as it was accepts nothing that the event does not take any more.
func TestAnswersAreCheckedAgainstTheEventAsItIs(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	other := r.again()
	eventID := r.published(auth, r.organization(auth), nil)
	ada := other.answer(eventID, "ada", 1).want(http.StatusCreated)
	size := map[string]any{"id": "size", "label": "Size?", "kind": "text", "required": true}
	r.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{"questions": []any{size}}}).want(http.StatusOK)
	if got := other.answer(eventID, "bob", 1).want(http.StatusBadRequest, "invalid-input"); !strings.Contains(string(got.body), "/answers/size") {
		t.Errorf("%s", got.body)
	}
	// In vain is what was answered to the old event only; what fits the new one is taken at once.
	cem := guest("cem", 1)
	cem["answers"] = map[string]any{"size": map[string]any{"text": " M "}, "empty": map[string]any{"text": " "}}
	third := r.again()
	third.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: unique(t), body: cem}).want(http.StatusCreated)
	r.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{"title": "Lanterns"}}).want(http.StatusOK)
	mine := request{method: "PATCH", path: "/v1/rsvps/" + ada.text("id"), auth: "Guest " + ada.text("manage_token")}
	mine.body = map[string]any{"answers": map[string]any{"size": map[string]any{"text": "L"}}}
	third.do(mine).want(http.StatusOK)
	r.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{"questions": []any{}}}).want(http.StatusOK)
	third.do(mine).want(http.StatusBadRequest, "invalid-input")
}

// A process that knows a full event as it was before an edit says that it is full.
func TestAFullEventThatWasEditedElsewhereIsFull(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	other := r.again()
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 1, "waitlist_policy": "none"})
	r.answer(eventID, "ada", 1).want(http.StatusCreated)
	other.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{"title": "Lanterns"}}).want(http.StatusOK)
	r.answer(eventID, "bob", 1).want(http.StatusConflict, "event-full")
	other.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{"title": "Lights"}}).want(http.StatusOK)
	r.answer(eventID, "ada", 1).want(http.StatusConflict, "already-answered")
}

// What is kept is what is meant: no blanks around a name, or around the address by which the guest is known.
func TestBlanksAroundAreNotKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	path := "/v1/events/" + r.published(auth, r.organization(auth), nil) + "/rsvps"
	ada := guest("ada", 1)
	ada["name"], ada["email"] = "Ada ", " Ada@example.org\u00a0\n"
	got := r.do(request{method: "POST", path: path, body: ada, key: unique(t)}).want(http.StatusCreated)
	mine := "Guest " + got.text("manage_token")
	if kept := r.export(mine, nil).Items[0]; kept.Name != "Ada" || kept.Email != "Ada@example.org" {
		t.Errorf("kept as %q <%q>", kept.Name, kept.Email)
	}
	r.do(request{method: "PATCH", path: "/v1/rsvps/" + got.text("id"), auth: mine, body: map[string]any{"name": " Ada L. "}}).want(http.StatusOK)
	if kept := r.export(mine, nil).Items[0]; kept.Name != "Ada L." {
		t.Errorf("changed to %q", kept.Name)
	}
}

// The survey's answers stay when the form's are changed, and neither is more than a message can carry.
func TestTheSurveyStandsBesideTheForm(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	diet := map[string]any{"id": "diet", "label": "Diet?", "kind": "text"}
	eventID := r.published(auth, r.organization(auth), map[string]any{"questions": []any{diet}})
	ada := r.answer(eventID, "ada", 1).want(http.StatusCreated)
	if _, err := r.pool.Exec(t.Context(), `UPDATE event SET starts_at = now() - interval '2 h',
		body = body || jsonb_build_object('starts_at', now() - interval '2 h') WHERE id = $1`, eventID); err != nil {
		t.Fatal(err)
	}
	later := r.again() // which reads the event as it is now
	mine := request{method: "POST", path: "/v1/rsvps/" + ada.text("id") + "/feedback", auth: "Guest " + ada.text("manage_token")}
	mine.body = map[string]any{"rating": 5, "answers": map[string]any{"music": map[string]any{"text": "loud"}}}
	later.do(mine).want(http.StatusOK)
	long := map[string]any{}
	for _, name := range strings.Split("abcdefghij", "") {
		choices := make([]string, 50)
		for i := range choices {
			choices[i] = strings.Repeat("<", 250)
		}
		long[name] = map[string]any{"choices": choices}
	}
	mine.body = plain(t, map[string]any{"rating": 5, "answers": long})
	if got := later.do(mine).want(http.StatusBadRequest, "invalid-input"); !strings.Contains(string(got.body), "/answers") {
		t.Errorf("%s", got.body)
	}
	mine.method, mine.path = "PATCH", "/v1/rsvps/"+ada.text("id")
	mine.body = map[string]any{"answers": map[string]any{"diet": map[string]any{"text": "vegan"}}}
	later.do(mine).want(http.StatusOK)
	r.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{"title": "Lanterns"}}).want(http.StatusOK)
	later.do(mine).want(http.StatusOK) // checked twice: the event was edited elsewhere
	var got struct {
		Items []struct{ Answers map[string]contract.Answer }
	}
	if err := json.Unmarshal(later.do(request{method: "POST", path: "/v1/privacy/export", auth: mine.auth}).body, &got); err != nil {
		t.Fatal(err)
	}
	if a := got.Items[0].Answers; a["survey:music"].Text != "loud" || a["diet"].Text != "vegan" {
		t.Errorf("%+v", a)
	}

	options := make([]string, 50)
	for i := range options {
		options[i] = strings.Repeat("<", 190) + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	var questions []any
	for _, name := range strings.Split("abcdefgh", "") {
		questions = append(questions, map[string]any{"id": name, "label": name, "kind": "choice", "options": options})
	}
	if got := r.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: plain(t, map[string]any{"questions": questions})}).want(http.StatusBadRequest); !strings.Contains(string(got.body), "/questions") {
		t.Errorf("%s", got.body)
	}
}

// Questions that change later hold nobody up who says no or maybe, and of who
// says yes they ask only what is required and was never answered.
func TestQuestionsThatChangeHoldNobodyUp(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	ask := func(questions ...map[string]any) map[string]any { return map[string]any{"questions": questions} }
	diet := map[string]any{"id": "diet", "label": "Diet?", "kind": "choice", "options": []string{"all", "vegan"}, "required": true}
	eventID := r.published(auth, r.organization(auth), ask(diet))
	body := guest("ada", 1)
	body["answers"] = map[string]any{"diet": map[string]any{"text": "vegan"}}
	ada := r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: "press", body: body}).want(http.StatusCreated)
	says := func(change map[string]any) response {
		return r.do(request{method: "PATCH", path: "/v1/rsvps/" + ada.text("id"), auth: "Guest " + ada.text("manage_token"), body: change})
	}
	event := request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth}

	diet["options"] = []string{"all", "vegetarian"} // what she chose is not offered any more
	event.body = ask(diet)
	r.do(event).want(http.StatusOK)
	says(map[string]any{"response": "not_going"}).want(http.StatusOK)
	says(map[string]any{"response": "going"}).want(http.StatusOK)

	event.body = ask() // nor is it asked
	r.do(event).want(http.StatusOK)
	says(map[string]any{"response": "maybe"}).want(http.StatusOK)
	says(map[string]any{"response": "going"}).want(http.StatusOK)

	event.body = ask(map[string]any{"id": "size", "label": "Size?", "kind": "text", "required": true})
	r.do(event).want(http.StatusOK)
	says(map[string]any{"response": "not_going"}).want(http.StatusOK)
	says(map[string]any{"response": "going"}).want(http.StatusBadRequest, "invalid-input")
	says(map[string]any{"response": "going", "answers": map[string]any{"size": map[string]any{"text": "M"}}}).want(http.StatusOK)
	says(map[string]any{"answers": map[string]any{"size": map[string]any{"text": "M"}, "diet": map[string]any{"text": "vegan"}}}).want(http.StatusBadRequest, "invalid-input")
}

// plain is JSON in which < takes one byte, as other clients than Go write it; inside it takes six.
func plain(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), `\u003c`, "<")
}
