package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/token"
)

// entry is one scan at the door: a ticket, or an RSVP of the guest list.
type entry struct {
	ID     string     `json:"id"` // the device's own, for what it did offline
	Ticket string     `json:"ticket"`
	RSVPID string     `json:"rsvp_id"`
	People int        `json:"people"` // 0: all of the party
	Device string     `json:"device"`
	At     *time.Time `json:"at"`
	Undo   bool       `json:"undo"`
}

func (e *entry) at() time.Time {
	if e.At == nil {
		return time.Time{}
	}
	return *e.At
}

// checkedIn is what the door hears.
type checkedIn struct {
	rsvp.CheckInResult
	Version int64 `json:"version"`
}

// door reads a ticket. refusal is what the door hears instead of a command.
func (a *API) door(c *gin.Context, eventID string, e *entry, at string) (rsvpID, refusal string, err error) {
	if (e.Ticket == "") == (e.RSVPID == "") {
		return "", "", fault.ErrInvalid.About(fault.Field{Pointer: at + "/ticket", Detail: "wants either a ticket or an rsvp_id"})
	}
	if e.People < 0 {
		return "", "", fault.ErrInvalid.About(fault.Field{Pointer: at + "/people", Detail: "must not be negative"})
	}
	if err := checkText(at+"/device", e.Device, maxDevice); err != nil {
		return "", "", err
	}
	if err := checkText(at+"/id", e.ID, maxDevice); err != nil {
		return "", "", err
	}
	if e.Ticket == "" {
		if !id.Valid(e.RSVPID) {
			return "", rsvp.Unknown, nil
		}
		return e.RSVPID, "", nil
	}
	t, err := a.tickets.Verify(e.Ticket)
	switch {
	case errors.Is(err, token.ErrToken): // an answer for the door, not an error
		return "", rsvp.Unknown, nil
	case err != nil:
		return "", "", err
	case t.EventID != eventID:
		return t.RSVPID, rsvp.WrongEvent, nil
	}
	row, err := a.Store.RSVP(c.Request.Context(), t.RSVPID)
	if fault.KindOf(err) == fault.NotFound || err == nil && row.RSVP.Epoch != t.Epoch {
		return t.RSVPID, rsvp.Unknown, nil // revoked
	}
	return t.RSVPID, "", err
}

func (a *API) checkIn(c *gin.Context) error {
	eventID := c.Param("id")
	actor, err := a.member(c, eventID, mayCheck)
	if err != nil {
		return err
	}
	var in entry
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if in.Undo {
		return fault.ErrInvalid.About(fault.Field{Pointer: "/undo", Detail: "use DELETE, or the batch"})
	}
	rsvpID, refusal, err := a.door(c, eventID, &in, "")
	if err != nil {
		return err
	}
	if refusal != "" {
		// The ticket may have been good when the same request came first.
		r, err := a.request(c, eventID, eventID, actor, body)
		if err != nil {
			return err
		}
		got, found, err := a.kept(c, r.Scope, r.Key, body)
		if err != nil {
			return err
		}
		if found {
			answer(c, got, "")
			return nil
		}
		return a.turnedAway(c, eventID, rsvp.CheckInResult{EntryID: in.ID, RSVPID: rsvpID, Outcome: refusal})
	}
	return a.atDoor(c, actor, body, &rsvp.CheckIn{
		RSVPID: rsvpID, EntryID: in.ID, People: in.People, Device: in.Device, At: in.at(),
	})
}

func (a *API) undoCheckIn(c *gin.Context) error {
	actor, err := a.member(c, c.Param("id"), mayCheck)
	if err != nil {
		return err
	}
	if !id.Valid(c.Param("rsvp")) {
		return fault.ErrNotFound
	}
	var in struct {
		ID     string     `json:"id"`
		Device string     `json:"device"`
		At     *time.Time `json:"at"`
	}
	body, err := decodeOptional(c, &in)
	if err != nil {
		return err
	}
	e := entry{At: in.At}
	if err := errors.Join(checkText("/device", in.Device, maxDevice), checkText("/id", in.ID, maxDevice)); err != nil {
		return err
	}
	return a.atDoor(c, actor, body, &rsvp.UndoCheckIn{
		RSVPID: c.Param("rsvp"), EntryID: in.ID, Device: in.Device, At: e.at(),
	})
}

// atDoor has one entry decided and answers what came of it.
func (a *API) atDoor(c *gin.Context, actor rsvp.Actor, body []byte, command rsvp.Command) error {
	eventID := c.Param("id")
	r, err := a.request(c, eventID, eventID, actor, body)
	if err != nil {
		return err
	}
	r.Command = command
	r.Encode = func(o rsvp.Outcome) (int, []byte, error) {
		result, err := resultOf(o)
		if err != nil {
			return 0, nil, err
		}
		b, err := json.Marshal(checkedIn{CheckInResult: result, Version: o.Version})
		return http.StatusOK, b, err
	}
	got, err := a.Desk.Do(c.Request.Context(), r)
	if err != nil {
		return err
	}
	answer(c, got, "")
	return nil
}

// resultOf is what came of one entry; an undoing has the RSVP only.
func resultOf(o rsvp.Outcome) (rsvp.CheckInResult, error) {
	switch {
	case len(o.CheckIns) == 1:
		return o.CheckIns[0], nil
	case len(o.CheckIns) == 0 && o.RSVP != nil:
		return rsvp.CheckInResult{
			RSVPID: o.RSVP.ID, Outcome: rsvp.Undone, CheckedIn: o.RSVP.CheckedIn, PartySize: o.RSVP.PartySize,
		}, nil
	}
	return rsvp.CheckInResult{}, fmt.Errorf("%d results for one check-in", len(o.CheckIns))
}

// turnedAway answers what no command is needed for.
func (a *API) turnedAway(c *gin.Context, eventID string, result rsvp.CheckInResult) error {
	state, err := a.Store.Event(c.Request.Context(), eventID)
	if err != nil {
		return err
	}
	body, err := json.Marshal(checkedIn{CheckInResult: result, Version: state.Version})
	if err != nil {
		return err
	}
	c.Header("Turnout-Version", eventID+"@"+strconv.FormatInt(state.Version, 10))
	write(c, http.StatusOK, body)
	return nil
}

type merged struct {
	Items     []rsvp.CheckInResult `json:"items"`
	Conflicts []rsvp.CheckInResult `json:"conflicts"`
	Version   int64                `json:"version"`
}

// mergeCheckIns takes what a device did without a network.
func (a *API) mergeCheckIns(c *gin.Context) error {
	eventID := c.Param("id")
	actor, err := a.member(c, eventID, mayCheck)
	if err != nil {
		return err
	}
	var in struct {
		Entries []entry `json:"entries"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if n := len(in.Entries); n == 0 || n > rsvp.MaxEntries {
		return fault.ErrInvalid.About(fault.Field{Pointer: "/entries", Detail: fmt.Sprintf("has from 1 to %d entries", rsvp.MaxEntries)})
	}
	command := &rsvp.MergeCheckIns{}
	var away []rsvp.CheckInResult
	for i := range in.Entries {
		e := &in.Entries[i]
		at := "/entries/" + strconv.Itoa(i)
		if e.ID == "" || e.At == nil {
			return fault.ErrInvalid.About(fault.Field{Pointer: at, Detail: "needs the device's own id and the time (at): the merge goes by them"})
		}
		rsvpID, refusal, err := a.door(c, eventID, e, at)
		if err != nil {
			return err
		}
		if refusal != "" {
			away = append(away, rsvp.CheckInResult{EntryID: e.ID, RSVPID: rsvpID, Outcome: refusal})
			continue
		}
		command.Entries = append(command.Entries, rsvp.DoorEntry{
			ID: e.ID, RSVPID: rsvpID, People: e.People, Device: e.Device, At: e.at(), Undo: e.Undo, Index: i,
		})
	}
	r, err := a.request(c, eventID, eventID, actor, body)
	if err != nil {
		return err
	}
	r.Command = command
	r.Encode = func(o rsvp.Outcome) (int, []byte, error) {
		out := merged{Items: append(o.CheckIns, away...), Conflicts: []rsvp.CheckInResult{}, Version: o.Version}
		if out.Items == nil {
			out.Items = []rsvp.CheckInResult{}
		}
		for _, result := range out.Items {
			if result.Conflict != "" {
				out.Conflicts = append(out.Conflicts, result)
			}
		}
		b, err := json.Marshal(out)
		return http.StatusOK, b, err
	}
	got, err := a.Desk.Do(c.Request.Context(), r)
	if err != nil {
		return err
	}
	answer(c, got, "")
	return nil
}

func tooMany(pointer string, most int) error {
	return fault.ErrInvalid.About(fault.Field{Pointer: pointer, Detail: fmt.Sprintf("must have at most %d", most)})
}
