package projector_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/outcomes"
)

// However outcomes of notifications come, and however often: each has its last
// one, and a message that cannot be read is rejected alone.
func TestOutcomesKeepTheLast(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	states := []string{"sent", "delivered", "bounced", "dead", "void", "planned"}
	types := []string{contract.NotificationSentV1, contract.NotificationDeliveredV1, contract.NotificationBouncedV1,
		contract.NotificationDeadV1, contract.NotificationVoidV1, contract.NotificationRevivedV1}
	var all []*message.Message
	want := map[string]string{}
	for range 200 {
		one := newID(t)
		for v := range 1 + random.IntN(5) {
			s := random.IntN(len(states))
			payload, err := json.Marshal(contract.NotificationMessage{Notification: contract.Notification{
				ID: one, EventID: one, OrganizationID: one, Kind: "reminder", Channel: "mail", State: states[s], DueAt: time.Unix(0, 0)}})
			must(t, err)
			env := contract.Envelope{Subject: one, Version: int64(v + 1), Type: types[s], Org: one, Actor: "system:notifier", Payload: payload}
			m := message.NewMessage(env.ID(), env.Payload)
			m.Metadata = env.Headers()
			all = append(all, m)
			want[one] = states[s]
		}
	}
	s := open(t, nil)
	handle := outcomes.New(s.elastic, feed.To(document.Outcomes)).Handle
	for range 2 {
		mixed := append(copies(all), copies(all)...)
		random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		for len(mixed) > 0 {
			n := min(1+random.IntN(300), len(mixed))
			must(t, handle(t.Context(), mixed[:n]))
			mixed = mixed[n:]
		}
	}
	broken := copies(all[:2])
	broken[0].Payload = []byte("{}")
	var rejected *kafkabus.Rejected
	if err := handle(t.Context(), broken); !as(err, &rejected) || len(rejected.Reasons) != 1 || rejected.Reasons[0] == nil {
		t.Errorf("a message about nothing: %v", err)
	}
	got := map[string]string{}
	for key, text := range s.dump() {
		var doc document.Outcome
		if json.Unmarshal([]byte(text), &doc) == nil && doc.Kind == "reminder" {
			got[doc.ID] = doc.State
			if key != document.Outcomes+"/"+doc.ID {
				t.Errorf("%s is kept as %s", doc.ID, key)
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d documents of %d notifications", len(got), len(want))
	}
	for one, state := range want {
		if got[one] != state {
			t.Errorf("%s is %q, want %q", one, got[one], state)
		}
	}
}
