package rsvp

// SetSeries makes an event part of a series: the one that was repeated.
type SetSeries struct {
	SeriesID string
	Revision int64 // of If-Match; 0: whatever it is
}

// Needs of the command.
func (c *SetSeries) Needs() Needs { return Needs{} }
