package contract_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

var update = flag.Bool("update", false, "write the golden files of wire names that have none")

// record is a message as Kafka holds it: a golden file is one. A file that is
// there is never rewritten, because records like it are on Kafka for good.
type record struct {
	Headers map[string]string `json:"headers"`
	Payload json.RawMessage   `json:"payload"`
}

// Every file must decode, and encode to the same bytes again: adding a case, or
// keeping an old version readable, needs no Go.
func TestGoldenRecordsSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wire/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var r record
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			e, err := contract.Decode(r.Headers, r.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if got := encode(t, e.Headers(), reencode(t, e)); got != encode(t, r.Headers, r.Payload) {
				t.Errorf("decoded and encoded again:\n%s\nwant:\n%s", got, encode(t, r.Headers, r.Payload))
			}
		})
	}
}

// A message type without a golden file is not pinned.
func TestEveryWireNameHasAGoldenRecord(t *testing.T) {
	t.Parallel()
	for _, name := range contract.WireNames() {
		file := filepath.Join("testdata", "wire", name+".json")
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if !*update {
			t.Errorf("%s is missing: go test ./internal/contract -update writes it", file)
			continue
		}
		e := sample(t, name)
		if err := os.WriteFile(file, []byte(encode(t, e.Headers(), e.Payload)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUndecodableRecordsSayWhy(t *testing.T) {
	t.Parallel()
	good := sample(t, contract.RSVPConfirmedV1)
	for header, bad := range map[string]string{
		contract.HeaderSpecVersion: "0.3", contract.HeaderSubject: "", contract.HeaderType: "rsvp.vanished.v9",
		contract.HeaderVersion: "0", contract.HeaderTime: "yesterday", contract.HeaderValid: "", contract.HeaderChain: "xyz",
	} {
		headers := good.Headers()
		headers[header] = bad
		if _, err := contract.Decode(headers, good.Payload); err == nil || !strings.Contains(err.Error(), header) {
			t.Errorf("%s=%q: got %v, want an error that names the header", header, bad, err)
		}
	}
}

// Whatever of a message is changed, the chain notices.
func TestChainHashCoversEveryPart(t *testing.T) {
	t.Parallel()
	e := sample(t, contract.RSVPConfirmedV1)
	base := e.ChainHash([]byte("before"))
	changes := map[string]func(*contract.Envelope){
		"version":  func(e *contract.Envelope) { e.Version++ },
		"type":     func(e *contract.Envelope) { e.Type = contract.RSVPMaybeV1 },
		"valid":    func(e *contract.Envelope) { e.ValidAt = e.ValidAt.Add(time.Microsecond) },
		"recorded": func(e *contract.Envelope) { e.RecordedAt = e.RecordedAt.Add(time.Microsecond) },
		"actor":    func(e *contract.Envelope) { e.Actor += "x" },
		"reason":   func(e *contract.Envelope) { e.Reason += "x" },
		"payload":  func(e *contract.Envelope) { e.Payload = append([]byte(" "), e.Payload...) },
		// The same bytes cut elsewhere are another message.
		"border": func(e *contract.Envelope) { e.Actor, e.Reason = e.Actor+e.Reason[:1], e.Reason[1:] },
	}
	for name, change := range changes {
		changed := sample(t, contract.RSVPConfirmedV1)
		change(changed)
		if bytes.Equal(base, changed.ChainHash([]byte("before"))) {
			t.Errorf("a changed %s keeps the hash", name)
		}
	}
	if bytes.Equal(base, e.ChainHash([]byte("other"))) {
		t.Error("another predecessor keeps the hash")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("1.0", "018f8a51-0000-7000-8000-000000000001", "rsvp.confirmed.v1", "1", "2030-01-02T03:04:05.000000Z", "00", []byte(`{}`))
	f.Fuzz(func(t *testing.T, spec, subject, kind, version, at, chain string, payload []byte) {
		e, err := contract.Decode(map[string]string{
			contract.HeaderSpecVersion: spec, contract.HeaderSubject: subject, contract.HeaderType: kind,
			contract.HeaderVersion: version, contract.HeaderTime: at, contract.HeaderValid: at, contract.HeaderChain: chain,
		}, payload)
		if err != nil {
			return
		}
		_, _ = e.RSVP()
		_, _ = e.Event()
		_, _ = e.Organization()
		_, _ = e.Notification()
		_, _ = e.Counters()
	})
}

// reencode reads the payload into its Go type and writes it again.
func reencode(t *testing.T, e *contract.Envelope) json.RawMessage {
	t.Helper()
	var v any
	var err error
	switch contract.AboutOf(e.Type) {
	case contract.AboutEvent:
		v, err = e.Event()
	case contract.AboutRSVP:
		v, err = e.RSVP()
	case contract.AboutOrganization:
		v, err = e.Organization()
	case contract.AboutNotification:
		v, err = e.Notification()
	case contract.AboutUnknown:
		t.Fatalf("unknown type %s", e.Type)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encode(t *testing.T, headers map[string]string, payload json.RawMessage) string {
	t.Helper()
	b, err := json.MarshalIndent(record{headers, payload}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// sample is a message with every field set, so that a field that is renamed or
// lost shows in the golden file.
func sample(t *testing.T, wireName string) *contract.Envelope {
	t.Helper()
	at := time.Date(2030, 5, 4, 17, 0, 0, 123456000, time.UTC)
	later := at.Add(3 * time.Hour)
	seats, lat, lon := 40, 52.52, 13.405
	counters := contract.Counters{Capacity: &seats, Going: 3, Maybe: 2, Waitlisted: 1, Held: 1, CheckedIn: 1}
	var v any
	switch contract.AboutOf(wireName) {
	case contract.AboutEvent:
		v = contract.EventMessage{Counters: counters, Event: contract.Event{
			ID: eventID, OrganizationID: orgID, Slug: "lantern-walk-7k2p", ExternalID: "lw-30", SeriesID: eventID, Status: contract.EventPublished,
			CancelReason: "storm", Title: "Lantern walk", Description: "Bring a jar.", StartsAt: at, EndsAt: later, TimeZone: "Europe/Berlin",
			Venue:     &contract.Venue{Name: "Old Mill", Address: "Mühlweg 3", City: "Potsdam", Country: "DE", Lat: &lat, Lon: &lon},
			OnlineURL: "https://example.org/stream", Online: true, Category: "outdoors", Tags: []string{"night", "family"}, Capacity: &seats,
			MaxParty: 4, WaitlistPolicy: contract.WaitlistOffer, OfferTTL: contract.Duration(12 * time.Hour), Approval: true, ConfirmAddress: true,
			Visibility: contract.VisibilityPublic, RSVPOpensAt: &at, RSVPClosesAt: at, Reminders: []contract.Duration{contract.Duration(168 * time.Hour), contract.Duration(time.Hour)},
			RemindMaybe: true, RetentionDays: 365, Questions: []contract.Question{{ID: "diet", Label: "Diet?", Kind: contract.QuestionChoice, Options: []string{"any", "vegan"}, Required: true}},
			Price: &contract.Price{Min: 0, Max: 5.5, Currency: "EUR"}, Cover: &contract.Cover{SHA256: strings.Repeat("ab", 32), ContentType: "image/png", Width: 1200, Height: 630},
			Revision: 3, Sequence: 2, CreatedAt: at, UpdatedAt: at, PublishedAt: &at,
		}}
	case contract.AboutRSVP:
		v = contract.RSVPMessage{
			Counters: counters, Before: contract.Change{Status: contract.StatusWaitlisted, PartySize: 2, CheckedIn: 1},
			CheckIn: &contract.CheckIn{People: 1, Device: "gate-2", Conflict: "double"},
			RSVP: contract.RSVP{
				ID: rsvpID, EventID: eventID, OrganizationID: orgID, Status: contract.StatusConfirmed, Response: contract.Going, PartySize: 2,
				QueuedVersion: 7, OfferExpiresAt: &later, PendingExpiresAt: &later, AddressConfirmed: true, Approved: true, WalkIn: true,
				CheckedIn: 1, CheckedInAt: &at, Epoch: 1, Locale: "de", TimeZone: "Europe/Berlin",
				Consents: contract.Consents{Updates: true, Marketing: true, At: at}, Reminders: true, Rating: 5,
				Sealed: []byte{1, 2, 3}, Erased: true, CreatedAt: at, UpdatedAt: later,
			},
		}
	case contract.AboutOrganization:
		v = contract.OrganizationMessage{Organization: contract.Organization{
			ID: orgID, Slug: "night-owls", Name: "Night Owls", Colors: &contract.Colors{Primary: "#112233", Background: "#ffffff"}, Tracking: true,
			Members: []contract.Member{{AccountID: rsvpID, Role: contract.RoleOwner, Sealed: []byte{4, 5, 6}}}, CreatedAt: at,
		}}
	case contract.AboutNotification:
		v = contract.NotificationMessage{Notification: contract.Notification{
			ID: eventID, EventID: eventID, OrganizationID: orgID, RSVPID: rsvpID, Kind: "reminder", Channel: "mail", State: "dead",
			Outcome: "smtp 550 5.1.1", Reason: "before-start", CauseType: contract.RSVPConfirmedV1, CauseVersion: 7, Attempts: 3,
			DueAt: at, FinishedAt: &later,
		}}
	case contract.AboutUnknown:
		t.Fatalf("unknown wire name %s", wireName)
	}
	payload, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	e := &contract.Envelope{
		Subject: eventID, Version: 12, Type: wireName, Org: orgID, ValidAt: at, RecordedAt: later, Actor: "guest:" + rsvpID,
		Reason: "a seat came free", Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Payload: payload,
	}
	e.Chain = e.ChainHash(bytes.Repeat([]byte{7}, 32))
	if hex.EncodeToString(e.Chain) == "" {
		t.Fatal("no chain")
	}
	return e
}

const (
	eventID = "0190b0b0-1111-7000-8000-000000000001"
	orgID   = "0190b0b0-2222-7000-8000-000000000002"
	rsvpID  = "0190b0b0-3333-7000-8000-000000000003"
)
