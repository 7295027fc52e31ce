package document

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// Listing is the document of an event. It has two halves that come from
// different messages and are each set only from a newer version: Event with
// DetailsVersion and Seats with SeatsVersion. The rest is derived from them.
type Listing struct {
	EventID        string            `json:"event_id"`
	Version        int64             `json:"version"` // the greater of the two below
	DetailsVersion int64             `json:"details_version"`
	SeatsVersion   int64             `json:"seats_version"`
	Event          json.RawMessage   `json:"event,omitempty"` // contract.Event; absent until its first message came
	Seats          contract.Counters `json:"seats"`

	listingIndex
}

// listingIndex is what can be searched, filtered and sorted by.
type listingIndex struct {
	OrderKey     string    `json:"order_key,omitempty"` // last resort of every order: the organizer's id, else ours
	Organization string    `json:"organization_id,omitempty"`
	Slug         string    `json:"slug,omitempty"`
	Series       string    `json:"series_id,omitempty"`
	Status       string    `json:"status,omitempty"`
	Visibility   string    `json:"visibility,omitempty"`
	Title        string    `json:"title,omitempty"` // folded words
	Place        string    `json:"place,omitempty"`
	Labels       string    `json:"labels,omitempty"`
	Everything   string    `json:"everything,omitempty"`
	TitleKey     string    `json:"title_key,omitempty"`
	StartsAt     time.Time `json:"starts_at,omitzero"`
	EndsAt       time.Time `json:"ends_at,omitzero"`
	Category     string    `json:"category,omitempty"`
	CategoryKey  string    `json:"category_key,omitempty"`
	Tags         []string  `json:"tags,omitempty"`
	TagKeys      []string  `json:"tag_keys,omitempty"`
	City         string    `json:"city,omitempty"`
	CityKey      string    `json:"city_key,omitempty"`
	Country      string    `json:"country,omitempty"`
	Location     *Point    `json:"location,omitempty"`
	Online       bool      `json:"online"`
	Available    bool      `json:"available"` // a seat is free, or there is no limit
	Popularity   int       `json:"popularity"`
}

// NotAnnounced is the visibility of events that were never published, whatever they are to be: drafts, cancelled or not.
const NotAnnounced = "none"

// Point is a geo_point.
type Point struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// SetDetails takes the event from a message if it is newer than what is there.
func (l *Listing) SetDetails(version int64, event json.RawMessage) bool {
	if version <= l.DetailsVersion {
		return false
	}
	l.DetailsVersion, l.Event = version, event
	l.Version = max(l.Version, version)
	return true
}

// SetSeats takes the counters from a message if it is newer than what is there.
func (l *Listing) SetSeats(version int64, seats contract.Counters) bool {
	if version <= l.SeatsVersion {
		return false
	}
	l.SeatsVersion, l.Seats = version, seats
	l.Version = max(l.Version, version)
	return true
}

// Derive fills what is searched by from the two halves.
func (l *Listing) Derive() error {
	ix := listingIndex{Popularity: l.Seats.Going + l.Seats.Waitlisted}
	free := l.Seats.Remaining()
	ix.Available = free == nil || *free > 0
	if l.Event != nil {
		var e contract.Event
		if err := json.Unmarshal(l.Event, &e); err != nil {
			return fmt.Errorf("event %s of listing: %w", l.EventID, err)
		}
		ix.setEvent(e)
	}
	l.listingIndex = ix
	return nil
}

func (ix *listingIndex) setEvent(e contract.Event) {
	ix.OrderKey = e.ID
	if e.ExternalID != "" {
		ix.OrderKey = e.ExternalID
	}
	ix.Organization, ix.Slug, ix.Series = e.OrganizationID, e.Slug, e.SeriesID
	ix.Status, ix.Visibility = e.Status, e.Visibility
	if !e.Announced() {
		ix.Visibility = NotAnnounced
	}
	ix.StartsAt, ix.EndsAt = e.StartsAt.UTC(), e.EndsAt.UTC()
	ix.Category, ix.CategoryKey = e.Category, Key(e.Category)
	ix.Tags = e.Tags
	for _, t := range e.Tags {
		ix.TagKeys = append(ix.TagKeys, Key(t))
	}
	ix.Online = e.Online
	ix.Title, ix.TitleKey = Text(e.Title), Key(e.Title)
	labels := append([]string{e.Category}, e.Tags...)
	ix.Labels = Text(labels...)
	everything := append([]string{e.Title, e.Description}, labels...)
	if v := e.Venue; v != nil {
		ix.City, ix.CityKey, ix.Country = v.City, Key(v.City), v.Country
		ix.Place = Text(v.Name, v.Address, v.City)
		everything = append(everything, v.Name, v.Address, v.City)
		if v.Lat != nil && v.Lon != nil {
			ix.Location = &Point{Lat: *v.Lat, Lon: *v.Lon}
		}
	}
	ix.Everything = Text(everything...)
}
