package rsvp

import "time"

// LinkEvery is how often a manage link is mailed to the same guest at most. The
// sign-in link that comes with it is good for a little longer (token.LinkTTL).
const LinkEvery = time.Hour

// RequestLink has the manage link mailed to the guest's address, at most once
// in LinkEvery (else ErrLinkSent). Anybody may cause it by answering with that
// address, so whoever asks learns nothing by it.
type RequestLink struct {
	RSVPID string
}

// Needs of the command.
func (c *RequestLink) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *RequestLink) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.find(c.RSVPID)
		if err != nil {
			return nil, err
		}
		if r.RSVP.Erased {
			return nil, ErrErased
		}
		if last := r.RSVP.LinkSentAt; last != nil && now.Before(last.Add(LinkEvery)) {
			return nil, ErrLinkSent.After(last.Add(LinkEvery).Sub(now))
		}
		was := b.touch(r)
		r.RSVP.LinkSentAt = &now
		return r, b.record(r, was, note{by: byLink, actor: by.ID}, now)
	})
}
