package seed

import (
	"context"
	"net/http"
)

// Response is the body of POST …/rsvps.
type Response struct {
	Name      string           `json:"name"`
	Email     string           `json:"email"`
	Response  string           `json:"response"`
	PartySize int              `json:"party_size"`
	Answers   map[string]Reply `json:"answers,omitempty"`
	Locale    string           `json:"locale"`
	TimeZone  string           `json:"time_zone"`
	Consents  Consents         `json:"consents"`
	Notify    Notify           `json:"notify"`
}

// Reply answers a question: Text for text and choice, Choices for checkbox.
type Reply struct {
	Text    string   `json:"text,omitempty"`
	Choices []string `json:"choices,omitempty"`
}

// Consents are what a guest agrees to.
type Consents struct {
	Updates   bool `json:"updates"`
	Marketing bool `json:"marketing"`
}

// Notify says which mail a guest wants.
type Notify struct {
	Reminders bool `json:"reminders"`
}

// changed is the body of PATCH /v1/rsvps/{id}. Who comes after all has to
// answer what had not to be answered with a no.
type changed struct {
	Response  string           `json:"response"`
	PartySize int              `json:"party_size"`
	Answers   map[string]Reply `json:"answers,omitempty"`
}

type rsvpAnswer struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	ManageToken string `json:"manage_token"`
}

// CodeAlreadyAnswered is the slug for an address that has answered before.
const CodeAlreadyAnswered = "already-answered"

// CodeKeyReused is the slug for a key that came with another body before: that
// is what an older loader, or an older file, sent for the same guest.
const CodeKeyReused = "idempotency-key-reused"

// reasonNoToken counts changes that can't be made, since who answered, in an
// earlier run without a journal, is known by a token that nobody has any more.
const reasonNoToken = "manage-token-unknown"

// reasonFirstRefused counts changes of answers that were refused themselves.
const reasonFirstRefused = "first-answer-refused"

// reasonNoEvent counts answers to events that could not be made.
const reasonNoEvent = "event-not-loaded"

// step does one step of one guest and books the outcome. The error is what
// ends the load; a refusal is an outcome.
func (l *loader) step(ctx context.Context, s *Step) error {
	tally := answers
	if s.Kind != kindAnswer {
		tally = changes
	}
	e, ok := l.journal.event(s.Event)
	mine := l.journal.seat(s.Event, s.Seat)
	switch {
	case !ok:
		l.book.note(tally, reasonNoEvent)
		return nil
	case e.Cancelled, s.Number < mine.Done && !s.Repeat:
		// Events are cancelled after all their answers are in.
		l.book.note(tally, outcomePresent)
		return nil
	}
	began := l.now()
	got, err := l.send(ctx, s, e, mine)
	refused := refusalOf(err)
	switch {
	case err == nil && got.Status == "" && mine.Refused:
		l.book.note(tally, reasonFirstRefused)
		return nil
	case err == nil && got.Status == "":
		l.book.note(tally, reasonNoToken)
		return nil
	case err == nil:
		l.book.decided(got.Status, l.now().Sub(began))
		l.book.note(tally, outcomeDone)
	case refused == nil:
		return err
	case s.Kind == kindAnswer && (refused.Code == CodeAlreadyAnswered || refused.Code == CodeKeyReused):
		l.book.note(tally, outcomePresent)
	default:
		// Not remembered as done: another run asks again.
		l.book.note(tally, refused.Code)
		if s.Kind == kindAnswer {
			l.journal.refuse(s.Event, s.Seat)
		}
		return nil
	}
	if s.Kind == kindAnswer && err == nil {
		mine.RSVP, mine.Token = got.ID, got.ManageToken
	}
	mine.Done = max(mine.Done, s.Number+1)
	l.journal.setSeat(s.Event, s.Seat, mine)
	return nil
}

// send makes the call. An empty answer without an error means that the change
// has nothing to change: the first answer was refused, or its token is lost.
func (l *loader) send(ctx context.Context, s *Step, e loaded, mine handle) (got rsvpAnswer, err error) {
	q := Request{Key: s.key()}
	switch s.Kind {
	case kindAnswer:
		q.Method, q.Path = http.MethodPost, "/v1/events/"+e.ID+"/rsvps"
		q.Body = l.response(s)
		return got, l.api.Do(ctx, q, &got)
	case kindChange:
		q.Method, q.Body = http.MethodPatch, changed{Response: s.Response, PartySize: s.Party, Answers: l.replies(s)}
	case kindCancel:
		q.Method = http.MethodDelete
	}
	if mine.RSVP == "" || mine.Token == "" {
		return got, nil
	}
	q.Path, q.Authorization = "/v1/rsvps/"+mine.RSVP, "Guest "+mine.Token
	return got, l.api.Do(ctx, q, &got)
}

func (l *loader) response(s *Step) Response {
	h := sum("consents", s.Event, s.Seat)
	return Response{
		Name: s.Who.Name, Email: s.Who.Email, Response: s.Response, PartySize: s.Party,
		Answers: l.replies(s), Locale: "en", TimeZone: l.spans[s.Event].Zone,
		Consents: Consents{Updates: true, Marketing: h[0]%4 == 0}, Notify: Notify{Reminders: h[1]%10 != 0},
	}
}

func (l *loader) replies(s *Step) map[string]Reply {
	h := sum("replies", s.Event, s.Seat)
	return replies(l.rows[s.Event].Questions, int(h[0]), s.Response)
}

// replies answers what must be answered, and every other time the rest.
func replies(questions []Ask, pick int, response string) map[string]Reply {
	if response == notGoing {
		return nil
	}
	given := map[string]Reply{}
	for i, q := range questions {
		if !q.Required && (pick+i)%2 == 0 {
			continue
		}
		switch {
		case q.Kind == "checkbox" && len(q.Options) > 0:
			given[q.ID] = Reply{Choices: []string{q.Options[pick%len(q.Options)]}}
		case q.Kind == "choice" && len(q.Options) > 0:
			given[q.ID] = Reply{Text: q.Options[pick%len(q.Options)]}
		case q.Kind == "text":
			given[q.ID] = Reply{Text: smallTalk[pick%len(smallTalk)]}
		}
	}
	if len(given) == 0 {
		return nil
	}
	return given
}

var smallTalk = [...]string{
	"Nothing special, thank you.", "It will be my first time.", "A friend told me about it.",
	"I can help with setting up.", "Please keep a seat near the door.", "Looking forward to it!",
}
