package rsvp

import "time"

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
