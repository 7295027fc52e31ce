package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/seal"
)

// guest checks what a guest says of themselves and gives it as it is sealed,
// with the revision of the event that it was checked against. Only a member may
// add a guest who has no address. Mail goes to the address by which the guest is
// known: blanks around it would be part of another.
func (a *API) guest(c *gin.Context, eventID string, in submission, byMember bool) (who contract.Personal, revision int64, err error) {
	who = contract.Personal{Name: strings.TrimSpace(in.Name), Email: strings.TrimSpace(in.Email), Answers: filled(in.Answers)}
	fields := a.checkGuest(who.Name, in.Locale, in.TimeZone)
	if in.PartySize != nil && *in.PartySize == 0 { // the rules take 0 for what is not given
		fields = append(fields, fault.Field{Pointer: "/party_size", Detail: "has at least one person"})
	}
	if who.Email != "" || !byMember {
		normalized, err := seal.NormalizeEmail(who.Email)
		if err != nil {
			fields = append(fields, fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
		} else {
			who.EmailHMAC = a.Keyring.EmailHMAC(normalized)
		}
	}
	wrong, revision, err := a.checkAnswers(c, eventID, in.Response, who.Answers, byMember, rsvp.ValidateAnswers)
	if err == nil && len(fields)+len(wrong) > 0 {
		err = fault.ErrInvalid.About(append(fields, wrong...)...)
	}
	return who, revision, err
}

// filled is a copy without the empty fields that a form sends too.
func filled(answers map[string]contract.Answer) map[string]contract.Answer {
	empty := func(_ string, a contract.Answer) bool { return len(a.Choices) == 0 && strings.TrimSpace(a.Text) == "" }
	answers = maps.Clone(answers)
	maps.DeleteFunc(answers, empty)
	return answers
}

// checkGuest adds to the rules what needs a look at the disk.
func (a *API) checkGuest(name, locale, timeZone string) []fault.Field {
	if fields := rsvp.ValidateGuest(name, locale, timeZone); len(fields) > 0 {
		return fields
	}
	return a.zones.check(timeZone)
}

// checkAnswers looks at the questions from memory. They may have been edited
// elsewhere a moment ago, so a complaint is made from the stored event only, and
// the rules accept nothing that was checked against another revision.
func (a *API) checkAnswers(c *gin.Context, eventID, response string, answers map[string]contract.Answer, mayKnow bool,
	check func(*contract.Event, string, map[string]contract.Answer) []fault.Field,
) (wrong []fault.Field, revision int64, err error) {
	known, err := a.Store.Known(c.Request.Context(), eventID)
	if err != nil || len(check(&known, response, answers)) == 0 {
		return nil, known.Revision, err
	}
	stored, err := a.Store.Event(c.Request.Context(), eventID)
	if err != nil {
		return nil, 0, err
	}
	if !mayKnow && !stored.Event.Announced() {
		return nil, 0, fault.ErrNotFound // or what is missing would tell a stranger what a draft asks
	}
	return check(&stored.Event, response, answers), stored.Event.Revision, nil
}

// maxRechecks bounds how often an answer is checked anew because its event was
// edited between the check and the decision.
const maxRechecks = 3

// sealed makes the command. All that costs (a random key, encryption) happens
// here, outside of the event's lock.
func (a *API) sealed(rsvpID string, in submission, who contract.Personal) (*rsvp.SubmitRSVP, error) {
	dataKey, err := seal.NewKey()
	if err != nil {
		return nil, err
	}
	wrapped, err := a.Keyring.Wrap(dataKey, rsvpID)
	if err != nil {
		return nil, fmt.Errorf("wrap data key: %w", err)
	}
	box, err := sealWith(dataKey, who, rsvpID)
	if err != nil {
		return nil, err
	}
	return &rsvp.SubmitRSVP{
		RSVPID: rsvpID, EmailHMAC: who.EmailHMAC, WrappedKey: wrapped, Sealed: box, Response: in.Response,
		PartySize: party(in.PartySize), Locale: in.Locale, TimeZone: in.TimeZone,
		Consents:  contract.Consents{Updates: in.Consents.Updates, Marketing: in.Consents.Marketing},
		Reminders: in.Notify.Reminders == nil || *in.Notify.Reminders,
	}, nil
}

// open decrypts what tells who the guest is. rsvp.ErrErased: the key is gone.
func (a *API) open(c *gin.Context, row *rsvp.Row) (who contract.Personal, dataKey []byte, err error) {
	wrapped, err := a.Store.Key(c.Request.Context(), row.RSVP.ID)
	if fault.KindOf(err) == fault.NotFound {
		return who, nil, rsvp.ErrErased
	}
	if err != nil {
		return who, nil, err
	}
	if dataKey, err = a.Keyring.Unwrap(wrapped, row.RSVP.ID); err != nil {
		return who, nil, fmt.Errorf("data key of %s: %w", row.RSVP.ID, err)
	}
	plain, err := seal.Open(dataKey, row.RSVP.Sealed, row.RSVP.ID)
	if err != nil {
		return who, nil, fmt.Errorf("personal data of %s: %w", row.RSVP.ID, err)
	}
	if err := json.Unmarshal(plain, &who); err != nil {
		return who, nil, fmt.Errorf("personal data of %s: %w", row.RSVP.ID, err)
	}
	return who, dataKey, nil
}

// reseal puts changed personal data into the command, sealed with the RSVP's
// own key, and checks what the change needs checked.
func (a *API) reseal(c *gin.Context, row *rsvp.Row, in change, command *rsvp.ChangeRSVP) error {
	response := row.RSVP.Response
	if in.Response != nil {
		response = *in.Response
	}
	// Who comes back from "not going" must answer what is required now. What else was answered stays as it was, also
	// when the questions have changed since.
	becomes := in.Response != nil && *in.Response != row.RSVP.Response && *in.Response == contract.Going
	if in.Name == nil && in.Answers == nil && !becomes && in.Locale == nil && in.TimeZone == nil {
		return nil
	}
	who, dataKey, err := a.open(c, row)
	if err != nil {
		return err
	}
	before := who
	if in.Name != nil {
		who.Name = strings.TrimSpace(*in.Name)
	}
	if in.Answers != nil {
		who.Answers = filled(*in.Answers)
	}
	fields := a.checkGuest(who.Name, text(in.Locale), text(in.TimeZone))
	if in.Answers != nil || becomes {
		check := rsvp.ValidateAnswers
		if in.Answers == nil {
			check = rsvp.MissingAnswers
		}
		wrong, revision, err := a.checkAnswers(c, row.RSVP.EventID, response, who.Answers, true, check)
		if err != nil {
			return err
		}
		command.Checked = revision
		fields = append(fields, wrong...)
	}
	if len(fields) > 0 {
		return fault.ErrInvalid.About(fields...)
	}
	if who.Name == before.Name && in.Answers == nil {
		return nil
	}
	who.Answers = withSurvey(who.Answers, before.Answers)
	command.Base = row.RSVP.Sealed
	command.Sealed, err = sealWith(dataKey, who, row.RSVP.ID)
	return err
}

// survey marks an answer to the survey after the event, which stands beside those of the form.
const survey = "survey:"

// withSurvey keeps what the survey was told when the form's answers are replaced.
func withSurvey(answers, before map[string]contract.Answer) map[string]contract.Answer {
	for name, given := range before {
		if !strings.HasPrefix(name, survey) {
			continue
		}
		if answers == nil {
			answers = map[string]contract.Answer{}
		}
		answers[name] = given
	}
	return answers
}

// maxPersonal bounds, in bytes of JSON, what a guest says of themselves: it goes into every message about the answer, and
// Kafka takes a megabyte. Twenty answers of 2,000 characters stay below it, whichever they are.
const maxPersonal = 256 << 10

func sealWith(dataKey []byte, who contract.Personal, rsvpID string) ([]byte, error) {
	plain, err := json.Marshal(who)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxPersonal {
		return nil, fault.ErrInvalid.About(fault.Field{Pointer: "/answers", Detail: "are too long together"})
	}
	box, err := seal.Seal(dataKey, plain, rsvpID)
	if err != nil {
		return nil, fmt.Errorf("seal personal data: %w", err)
	}
	return box, nil
}

func party(people *int) int {
	if people == nil {
		return 0
	}
	return *people
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// mailLink asks for the manage link to be mailed to the address of an RSVP. At
// most one an hour goes out; asking more often changes nothing.
func (a *API) mailLink(c *gin.Context, eventID, rsvpID string) error {
	_, err := a.Desk.Do(c.Request.Context(), admission.Request{
		EventID: eventID, Command: &rsvp.RequestLink{RSVPID: rsvpID}, Actor: rsvp.SystemActor("link"),
		Scope: "link " + rsvpID, Traceparent: traceparent(c),
		Encode: func(rsvp.Outcome) (int, []byte, error) { return 204, nil, nil },
	})
	if fault.As(err) != nil && fault.KindOf(err) != fault.Unavailable {
		return nil // sent a short while ago, or erased meanwhile
	}
	return err
}

func traceparent(c *gin.Context) string { return httpserver.Traceparent(c.Request.Context()) }
