package rsvp

// ExpireOffers gives back the seats of offers that are past their time, which
// the book always carries. The sweep sends it; every other command does the
// same first.
type ExpireOffers struct {
}

// Needs of the command.
func (c *ExpireOffers) Needs() Needs { return Needs{} }
