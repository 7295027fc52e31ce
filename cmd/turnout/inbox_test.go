package main

import "testing"

// Mail of others is not shown to a network that nobody thought of.
func TestTheInboxIsForThisMachineUnlessItIsSaid(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for origin, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true,
		"https://events.example.org": false, "http://192.168.1.5:8080": false, "": false, "://": false,
	} {
		s := &system{}
		s.Web.PublicURL = origin
		if got := s.inboxOn(); got != want {
			t.Errorf("%q: %t", origin, got)
		}
		if s.InboxOn = &yes; !s.inboxOn() {
			t.Errorf("%q: not on, though it is asked for", origin)
		}
		if s.InboxOn = &no; s.inboxOn() {
			t.Errorf("%q: on, though it is switched off", origin)
		}
	}
}
