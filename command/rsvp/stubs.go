package rsvp

import "time"

// Decide applies the command.
func (c *SubmitRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *ChangeRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *CancelRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *ConfirmAddress) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *AcceptOffer) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *DeclineOffer) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *Approve) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *Reject) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *CheckIn) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *UndoCheckIn) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *MergeCheckIns) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *GiveFeedback) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *EditEvent) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *PublishEvent) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *CancelEvent) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *SetCapacity) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *SetCover) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *SetSeries) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *ExpireOffers) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *ExpirePending) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *EraseRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}

// Decide applies the command.
func (c *RequestLink) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return Outcome{}, errNotLoaded
}
