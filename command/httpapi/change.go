package httpapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// change is the body of PATCH; what is missing stays.
type change struct {
	Name      *string                     `json:"name"`
	Response  *string                     `json:"response"`
	PartySize *int                        `json:"party_size"`
	Answers   *map[string]contract.Answer `json:"answers"`
	Locale    *string                     `json:"locale"`
	TimeZone  *string                     `json:"time_zone"`
	Consents  consentsChange              `json:"consents"`
	Notify    *notify                     `json:"notify"`
}

type consentsChange struct {
	Updates   *bool `json:"updates"`
	Marketing *bool `json:"marketing"`
}

func (a *API) changeRSVP(c *gin.Context) error {
	by, err := a.answerOf(c, c.Param("id"), mayEdit)
	if err != nil {
		return err
	}
	if err := a.takeGuest(c, by); err != nil {
		return err
	}
	var in change
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	command := &rsvp.ChangeRSVP{
		RSVPID: by.row.RSVP.ID, Response: in.Response, PartySize: in.PartySize, Locale: in.Locale, TimeZone: in.TimeZone,
		Updates: in.Consents.Updates, Marketing: in.Consents.Marketing,
	}
	if in.Notify != nil {
		command.Reminders = in.Notify.Reminders
	}
	for n := 0; ; n++ {
		if refusal := a.reseal(c, by.row, in, command); refusal != nil {
			return a.again(c, by, body, refusal)
		}
		if err = a.decide(c, by, body, command); n == maxRechecks || !errors.Is(err, rsvp.ErrEventChanged) {
			return err
		}
	}
}

// takeGuest limits a guest's changes; members are known.
func (a *API) takeGuest(c *gin.Context, by answerer) error {
	if by.actor.Member {
		return nil
	}
	return a.takeClient(c, a.Limits.GuestClient, "guest-client")
}

// decide has a command on one RSVP decided and answers with it.
func (a *API) decide(c *gin.Context, by answerer, body []byte, command rsvp.Command) error {
	r, err := a.request(c, by.row.RSVP.EventID, by.row.RSVP.ID, by.actor, body)
	if err != nil {
		return err
	}
	r.Command, r.Encode = command, a.encodeAnswered(http.StatusOK, by.token != "")
	got, err := a.Desk.Do(c.Request.Context(), r)
	if err != nil {
		return err
	}
	answer(c, got, "")
	return nil
}

// again answers a change that is refused by what the event asks now as it was
// answered before the event asked it.
func (a *API) again(c *gin.Context, by answerer, body []byte, refusal error) error {
	k, err := key(c, false)
	if err != nil {
		return err
	}
	got, err := a.earlier(c, scope(c, by.row.RSVP.ID, by.actor.ID), k, body, refusal)
	if err != nil {
		return err
	}
	answer(c, got, "")
	return nil
}

// cancelRSVP keeps a guest's reason with what erasing takes; a member's is for the log.
func (a *API) cancelRSVP(c *gin.Context) error {
	return a.reasoned(c, mayEdit, func(by answerer, reason string) (rsvp.Command, error) {
		command := &rsvp.CancelRSVP{RSVPID: by.row.RSVP.ID}
		if by.actor.Member || reason == "" {
			command.Reason = reason
			return command, nil
		}
		who, dataKey, err := a.open(c, by.row)
		if err != nil {
			return nil, err
		}
		who.Comment, command.Base = reason, by.row.RSVP.Sealed
		command.Sealed, err = sealWith(dataKey, who, by.row.RSVP.ID)
		return command, err
	})
}

// simple is a command on one RSVP that takes a reason at the most.
func (a *API) simple(c *gin.Context, roles []string, command func(rsvpID, reason string) rsvp.Command) error {
	return a.reasoned(c, roles, func(by answerer, reason string) (rsvp.Command, error) {
		return command(by.row.RSVP.ID, reason), nil
	})
}

func (a *API) reasoned(c *gin.Context, roles []string, command func(by answerer, reason string) (rsvp.Command, error)) error {
	by, err := a.answerOf(c, c.Param("id"), roles)
	if err != nil {
		return err
	}
	if err := a.takeGuest(c, by); err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	body, err := decodeOptional(c, &in)
	if err != nil {
		return err
	}
	if err := checkText("/reason", in.Reason, maxReason); err != nil {
		return err
	}
	made, err := command(by, in.Reason)
	if err != nil {
		return err
	}
	return a.decide(c, by, body, made)
}
