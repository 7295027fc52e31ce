package httpapi

import (
	"encoding/json"
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/seal"
)

// guest checks what a guest says of themselves and gives it as it is sealed.
// Only a member may add a guest who has no address.
func (a *API) guest(c *gin.Context, eventID string, in submission, byMember bool) (contract.Personal, error) {
	who := contract.Personal{Name: in.Name, Email: in.Email, Answers: in.Answers}
	fields := a.checkGuest(in.Name, in.Locale, in.TimeZone)
	if in.PartySize != nil && *in.PartySize == 0 { // the rules take 0 for what is not given
		fields = append(fields, fault.Field{Pointer: "/party_size", Detail: "has at least one person"})
	}
	if in.Email != "" || !byMember {
		normalized, err := seal.NormalizeEmail(in.Email)
		if err != nil {
			fields = append(fields, fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
		} else {
			who.EmailHMAC = a.Keyring.EmailHMAC(normalized)
		}
	}
	wrong, err := a.checkAnswers(c, eventID, in.Response, in.Answers, byMember, rsvp.ValidateAnswers)
	if err != nil {
		return who, err
	}
	if fields = append(fields, wrong...); len(fields) > 0 {
		return who, fault.ErrInvalid.About(fields...)
	}
	return who, nil
}

// checkGuest adds to the rules what needs a look at the disk.
func (a *API) checkGuest(name, locale, timeZone string) []fault.Field {
	if fields := rsvp.ValidateGuest(name, locale, timeZone); len(fields) > 0 {
		return fields
	}
	return a.zones.check(timeZone)
}

// checkAnswers looks at the questions from memory. They may have been edited
// elsewhere a moment ago, so a complaint is made from the stored event only.
func (a *API) checkAnswers(c *gin.Context, eventID, response string, answers map[string]contract.Answer, mayKnow bool,
	check func(*contract.Event, string, map[string]contract.Answer) []fault.Field,
) ([]fault.Field, error) {
	known, err := a.Store.Known(c.Request.Context(), eventID)
	if err != nil {
		return nil, err
	}
	if len(check(&known, response, answers)) == 0 {
		return nil, nil
	}
	stored, err := a.Store.Event(c.Request.Context(), eventID)
	if err != nil {
		return nil, err
	}
	if !mayKnow && stored.Event.Status == contract.EventDraft {
		return nil, fault.ErrNotFound // or what is missing would tell a stranger what a draft asks
	}
	return check(&stored.Event, response, answers), nil
}

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
	plain, err := json.Marshal(who)
	if err != nil {
		return nil, err
	}
	box, err := seal.Seal(dataKey, plain, rsvpID)
	if err != nil {
		return nil, fmt.Errorf("seal personal data: %w", err)
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
		who.Name = *in.Name
	}
	if in.Answers != nil {
		who.Answers = *in.Answers
	}
	fields := a.checkGuest(who.Name, text(in.Locale), text(in.TimeZone))
	if in.Answers != nil || becomes {
		check := rsvp.ValidateAnswers
		if in.Answers == nil {
			check = rsvp.MissingAnswers
		}
		wrong, err := a.checkAnswers(c, row.RSVP.EventID, response, who.Answers, true, check)
		if err != nil {
			return err
		}
		fields = append(fields, wrong...)
	}
	if len(fields) > 0 {
		return fault.ErrInvalid.About(fields...)
	}
	if who.Name == before.Name && in.Answers == nil {
		return nil
	}
	command.Base = row.RSVP.Sealed
	command.Sealed, err = sealWith(dataKey, who, row.RSVP.ID)
	return err
}

func sealWith(dataKey []byte, who contract.Personal, rsvpID string) ([]byte, error) {
	plain, err := json.Marshal(who)
	if err != nil {
		return nil, err
	}
	return seal.Seal(dataKey, plain, rsvpID)
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
