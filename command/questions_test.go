package command_test

import (
	"net/http"
	"testing"
)

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
