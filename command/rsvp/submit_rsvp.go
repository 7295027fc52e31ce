package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// SubmitRSVP is a guest's first answer, or a guest whom a member adds. The
// caller has made RSVPID and a data key, has sealed contract.Personal with it
// and has checked the answers with ValidateAnswers.
//
// The same address again is ErrAlreadyAnswered (its cause is an *Answered),
// whatever became of that answer, so that nobody can change or learn it
// without its link. Only an answer whose pending time ran out makes room: it
// is erased and this one takes its place. An erased answer has no address.
type SubmitRSVP struct {
	RSVPID     string
	EmailHMAC  []byte // nil only for a guest without address whom a member adds
	WrappedKey []byte
	Sealed     []byte
	Response   string // going, maybe, not_going
	PartySize  int    // 0 means 1
	Locale     string
	TimeZone   string
	Consents   contract.Consents // At is set here
	Reminders  bool
	Checked    int64 // revision of the event that the answers were checked against; 0: none
}

// Needs of the command.
func (c *SubmitRSVP) Needs() Needs {
	n := Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true}
	if c.EmailHMAC != nil {
		n.EmailHMACs = [][]byte{c.EmailHMAC}
	}
	return n
}

// Decide applies the command.
func (c *SubmitRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) { return c.apply(b, by, now) })
}

func (c *SubmitRSVP) apply(b *Book, by Actor, now time.Time) (*Row, error) {
	if err := b.open(by, now); err != nil {
		return nil, err
	}
	if err := b.asksStill(c.Checked); err != nil {
		return nil, err
	}
	people := c.PartySize
	if people == 0 {
		people = 1
	}
	if err := b.partyFits(people); err != nil {
		return nil, err
	}
	if err := checkResponse(c.Response); err != nil {
		return nil, err
	}
	if err := c.makeRoom(b, by, now); err != nil {
		return nil, err
	}
	consents := c.Consents
	consents.At = now
	r := &Row{
		RSVP: contract.RSVP{
			ID: c.RSVPID, EventID: b.Event.ID, OrganizationID: b.Event.OrganizationID,
			Response: c.Response, PartySize: people,
			WalkIn: by.Member && !now.Before(b.Event.StartsAt),
			Locale: c.Locale, TimeZone: c.TimeZone, Consents: consents, Reminders: c.Reminders,
			Approved: by.Member, Sealed: c.Sealed, CreatedAt: now,
		},
		EmailHMAC: c.EmailHMAC, WrappedKey: c.WrappedKey, New: true,
	}
	status, err := b.settle(&r.RSVP, by, now)
	if err != nil {
		return nil, err
	}
	b.touch(r)
	b.name(b.rows, c.RSVPID, r)
	if c.EmailHMAC != nil {
		b.name(b.email, string(c.EmailHMAC), r)
	}
	b.enter(r, status, now)
	return r, b.record(r, contract.Change{}, note{by: bySubmit, actor: by.ID}, now)
}

// makeRoom refuses an address that has answered, and an id that is taken.
func (c *SubmitRSVP) makeRoom(b *Book, by Actor, now time.Time) error {
	if taken, sought := b.rows[c.RSVPID]; taken != nil {
		return ErrAlreadyAnswered.Because(&Answered{c.RSVPID})
	} else if !sought {
		return notLoaded("RSVP", c.RSVPID)
	}
	if c.EmailHMAC == nil {
		if !by.Member {
			return invalid("/email", "an address is needed")
		}
		return nil
	}
	other, sought := b.email[string(c.EmailHMAC)]
	switch {
	case !sought:
		return notLoaded("address of", c.RSVPID)
	case other == nil:
		return nil
	}
	if pendingOver(&other.RSVP, now) {
		if err := b.expire(other, now); err != nil {
			return err
		}
	}
	if other.RSVP.Status == cancelled && other.RSVP.PendingExpiresAt != nil {
		return b.erase(other, note{by: byErase, actor: by.ID, reason: ReasonAnsweredAfresh}, now)
	}
	return ErrAlreadyAnswered.Because(&Answered{other.RSVP.ID})
}

// ReasonAnsweredAfresh is why an answer was erased whose time ran out.
const ReasonAnsweredAfresh = "answered-afresh"

func checkResponse(response string) error {
	switch response {
	case contract.Going, contract.Maybe, contract.NotGoing:
		return nil
	}
	return invalid("/response", "say going, maybe or not_going")
}
