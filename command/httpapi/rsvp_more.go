package httpapi

import (
	"maps"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// errNotProven keeps a client from confirming an address that it only typed:
// the token of the 201 manages the answer, the token of the mail proves the address.
var errNotProven = fault.New(fault.Forbidden, "address-not-proven", "Open the link in the mail to confirm the address")

func (a *API) confirmAddress(c *gin.Context) error {
	if text := guestToken(c); text != "" && !a.manager.Proves(text) {
		// A session began with a mailed link too; strangers are refused below.
		if holder, _, err := a.manager.Verify(text); err == nil && holder == c.Param("id") {
			return errNotProven
		}
	}
	return a.simple(c, nil, func(rsvpID, _ string) rsvp.Command { return &rsvp.ConfirmAddress{RSVPID: rsvpID} })
}

func (a *API) acceptOffer(c *gin.Context) error {
	return a.simple(c, mayEdit, func(rsvpID, _ string) rsvp.Command { return &rsvp.AcceptOffer{RSVPID: rsvpID} })
}

func (a *API) declineOffer(c *gin.Context) error {
	return a.simple(c, mayEdit, func(rsvpID, _ string) rsvp.Command { return &rsvp.DeclineOffer{RSVPID: rsvpID} })
}

func (a *API) approve(c *gin.Context) error {
	return a.judge(c, func(rsvpID, _ string) rsvp.Command { return &rsvp.Approve{RSVPID: rsvpID} })
}

func (a *API) reject(c *gin.Context) error {
	return a.judge(c, func(rsvpID, reason string) rsvp.Command { return &rsvp.Reject{RSVPID: rsvpID, Reason: reason} })
}

// judge is simple for members only: a guest's token does not count here.
func (a *API) judge(c *gin.Context, command func(rsvpID, reason string) rsvp.Command) error {
	if _, err := a.account(c); err != nil {
		return err
	}
	return a.simple(c, mayEdit, command)
}

func (a *API) giveFeedback(c *gin.Context) error {
	by, err := a.answerOf(c, c.Param("id"), nil)
	if err != nil {
		return err
	}
	if err := a.takeGuest(c, by); err != nil {
		return err
	}
	var in struct {
		Rating  int                        `json:"rating"`
		Comment string                     `json:"comment"`
		Answers map[string]contract.Answer `json:"answers"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if err := checkText("/comment", in.Comment, maxComment); err != nil {
		return err
	}
	command := &rsvp.GiveFeedback{RSVPID: by.row.RSVP.ID, Rating: in.Rating, Base: by.row.RSVP.Sealed}
	who, dataKey, err := a.open(c, by.row)
	if err != nil {
		return err
	}
	who.Comment = in.Comment
	if len(in.Answers) > 0 {
		if err := checkSurvey(in.Answers); err != nil {
			return err
		}
		// The survey's answers stand beside those of the form; their ids differ.
		merged := maps.Clone(who.Answers)
		if merged == nil {
			merged = map[string]contract.Answer{}
		}
		for name, given := range in.Answers {
			merged[survey+name] = given
		}
		who.Answers = merged
	}
	if command.Sealed, err = sealWith(dataKey, who, by.row.RSVP.ID); err != nil {
		return err
	}
	return a.decide(c, by, body, command)
}

const (
	maxSurvey  = 20 // answers
	maxChoices = 50 // of one of them, as of a question of the form
)

// checkSurvey bounds answers that no list of questions bounds.
func checkSurvey(answers map[string]contract.Answer) error {
	if len(answers) > maxSurvey {
		return tooMany("/answers", maxSurvey)
	}
	for name, given := range answers {
		if err := checkText("/answers", name, maxDevice); err != nil {
			return err
		}
		if err := checkText("/answers/"+name+"/text", given.Text, maxComment); err != nil {
			return err
		}
		if len(given.Choices) > maxChoices {
			return tooMany("/answers/"+name+"/choices", maxChoices)
		}
		for _, choice := range given.Choices {
			if err := checkText("/answers/"+name+"/choices", choice, maxReason); err != nil {
				return err
			}
		}
	}
	return nil
}
