package main

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/described"
)

// Every operation of the description that wants to know who asks, of every role, at the one origin: with the ids of
// one organization in its address, nobody, the owner of another organization and the guest of another event get 401, 403 or
// 404 and nothing of what is there. A route that is described tomorrow is tried tomorrow. Who may do what
// within an organization is in each role's own table.
func TestStrangersGetNothingAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	owner, ours := w.bearer, w.org
	event, _ := w.event("Ours alone", 25*24*time.Hour, nil)
	var draft, answer struct{ ID string }
	start := time.Now().Add(600 * time.Hour)
	w.want(201, "POST", "/v1/events", map[string]any{
		"organization_id": ours, "title": "Ours alone, not yet", "starts_at": start, "ends_at": start.Add(time.Hour),
	}, "Idempotency-Key", "draft").decode(t, &draft)
	w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{"name": "Ada Alone", "email": "ada@example.net", "response": "going"},
		"Idempotency-Key", "ada", "Authorization", "").decode(t, &answer)

	w.bearer = ""
	w.signUp("Rival", "rival@example.org", "a long pass phrase of hers")
	var org struct{ ID string }
	w.want(201, "POST", "/v1/organizations", map[string]string{"name": "Rivals", "slug": "rivals"}, "Idempotency-Key", "rivals").decode(t, &org)
	w.org = org.ID
	theirs, _ := w.event("Theirs", 25*24*time.Hour, nil)
	var guest struct {
		ManageToken string `json:"manage_token"`
	}
	w.want(201, "POST", "/v1/events/"+theirs+"/rsvps", map[string]any{"name": "Bob", "email": "bob@example.net", "response": "going"},
		"Idempotency-Key", "bob", "Authorization", "").decode(t, &guest)
	testkit.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error { // or there would be nothing to see
		seen, err := w.call("GET", "/v1/events/"+event+"/guests", nil, "Authorization", "Bearer "+owner)
		if err == nil && !bytes.Contains(seen.Body, []byte("Ada Alone")) {
			err = fmt.Errorf("the owner does not see the guest yet: %d %s", seen.Status, seen.Body)
		}
		return err
	})

	who := map[string]string{"nobody": "", "the rival": "Bearer " + w.bearer, "another guest": "Guest " + guest.ManageToken}
	secrets := [][]byte{[]byte("Ada Alone"), []byte("ada@example.net"), []byte("Ours alone, not yet"), []byte("olga@example.org")}
	var tries errgroup.Group
	tries.SetLimit(16) // query waits up to 2 s for a role that may be on its way
	tried := 0
	for _, door := range strangersDoors(t, ours, event, draft.ID, answer.ID) {
		for name, auth := range who {
			tried++
			tries.Go(func() error {
				got, err := w.knock(door, auth)
				if err != nil {
					return fmt.Errorf("%s %s: %w", door.method, door.path, err)
				}
				if !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, got.Status) && !door.own {
					t.Errorf("%s %s as %s: %d %s", door.method, door.path, name, got.Status, got.Body)
				}
				for _, s := range secrets {
					if bytes.Contains(got.Body, s) {
						t.Errorf("%s %s tells %s of %q: %s", door.method, door.path, name, s, got.Body)
					}
				}
				return nil
			})
		}
	}
	if err := tries.Wait(); err != nil {
		t.Error(err)
	}
	if tried < 200 {
		t.Errorf("only %d requests were tried: is the description read?", tried)
	}
}

// strangersDoor is a request about what belongs to somebody.
type strangersDoor struct {
	method, path, contentType string
	body                      any
	own                       bool // the address names nobody: everybody gets their own, and none of what is ours
}

// knock tries a door, again while it says 503: sixteen at once may be too many for a busy machine.
func (w *world) knock(door strangersDoor, auth string) (got answer, err error) {
	for range 30 {
		got, err = w.call(door.method, door.path, door.body, "Authorization", auth, "Content-Type", door.contentType, "Idempotency-Key", door.path)
		if err != nil || got.Status != http.StatusServiceUnavailable {
			break
		}
		w.pause(200 * time.Millisecond)
	}
	return got, err
}

func strangersDoors(t *testing.T, org, event, draft, answer string) []strangersDoor {
	t.Helper()
	doc, err := described.Load()
	if err != nil {
		t.Fatal(err)
	}
	var doors []strangersDoor
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.Security == nil || len(*operation.Security) == 0 {
				continue // anybody's
			}
			subject := event
			for _, one := range *operation.Security {
				if len(one) == 0 {
					subject = draft // what is published is anybody's
				}
			}
			if method == http.MethodPost && strings.HasSuffix(path, "/rsvps") {
				subject = draft
			}
			if strings.HasPrefix(path, "/v1/rsvps/") {
				subject = answer
			}
			filled := strings.NewReplacer("{id}", subject, "{org}", org, "{rsvp}", answer, "{kind}", "confirmed",
				"{webhook}", answer, "{announcement}", answer, "{campaign}", answer, "{subscription}", answer, "{provider}", "dsn").Replace(path)
			if strings.Contains(filled, "{") {
				t.Fatalf("%s: say here what stands for its parameters", path)
			}
			d := strangersDoor{method: method, path: filled, contentType: "application/json", own: filled == path}
			if method != http.MethodGet && operation.RequestBody != nil {
				d.body = map[string]any{}
				if strings.HasSuffix(path, "/rsvps") {
					d.body = map[string]any{"name": "x", "email": "x@example.net", "response": "going"}
				}
			}
			if strings.HasSuffix(path, "/cover") {
				d.contentType = "image/png"
			}
			doors = append(doors, d)
			if d.own && method == http.MethodGet { // lists take an organization as a filter
				doors = append(doors, strangersDoor{method: method, path: filled + "?organization_id=" + org, contentType: d.contentType, own: true})
			}
		}
	}
	return doors
}
