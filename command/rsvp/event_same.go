package rsvp

import (
	"slices"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// sameWords tells whether two events differ in nothing that an organizer can
// edit, apart from time, place and capacity.
func sameWords(a, b *contract.Event) bool {
	return a.Title == b.Title && a.Description == b.Description && a.Category == b.Category &&
		slices.Equal(a.Tags, b.Tags) && a.MaxParty == b.MaxParty &&
		a.WaitlistPolicy == b.WaitlistPolicy && a.OfferTTL == b.OfferTTL &&
		a.Approval == b.Approval && a.ConfirmAddress == b.ConfirmAddress && a.Visibility == b.Visibility &&
		sameTime(a.RSVPOpensAt, b.RSVPOpensAt) && a.RSVPClosesAt.Equal(b.RSVPClosesAt) &&
		slices.Equal(a.Reminders, b.Reminders) && a.RemindMaybe == b.RemindMaybe &&
		a.RetentionDays == b.RetentionDays && samePrice(a.Price, b.Price) &&
		slices.EqualFunc(a.Questions, b.Questions, func(x, y contract.Question) bool {
			return x.ID == y.ID && x.Label == y.Label && x.Kind == y.Kind && x.Required == y.Required &&
				slices.Equal(x.Options, y.Options)
		})
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

func sameVenue(a, b *contract.Venue) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Name == b.Name && a.Address == b.Address && a.City == b.City && a.Country == b.Country &&
		sameNumber(a.Lat, b.Lat) && sameNumber(a.Lon, b.Lon)
}

func samePrice(a, b *contract.Price) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func sameNumber[T int | float64](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
