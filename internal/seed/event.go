package seed

import (
	"strings"
	"time"
)

// Draft is the body of POST /v1/events.
type Draft struct {
	OrganizationID string   `json:"organization_id"`
	ExternalID     string   `json:"external_id"`
	Title          string   `json:"title"`
	Description    string   `json:"description"`
	StartsAt       string   `json:"starts_at"`
	EndsAt         string   `json:"ends_at"`
	TimeZone       string   `json:"time_zone"`
	Venue          *Venue   `json:"venue,omitempty"`
	OnlineURL      string   `json:"online_url,omitempty"`
	Online         bool     `json:"online"`
	Category       string   `json:"category,omitempty"`
	Tags           []string `json:"tags"`
	Capacity       *int     `json:"capacity"`
	MaxParty       int      `json:"max_party,omitempty"`
	WaitlistPolicy string   `json:"waitlist_policy,omitempty"`
	OfferTTL       string   `json:"offer_ttl,omitempty"`
	Visibility     string   `json:"visibility,omitempty"`
	Reminders      []string `json:"reminders,omitempty"`
	Questions      []Ask    `json:"questions,omitempty"`
	Price          *Price   `json:"price_range,omitempty"`
}

// Venue is the place of an event, as the API takes it.
type Venue struct {
	Name    string   `json:"name,omitempty"`
	Address string   `json:"address,omitempty"`
	City    string   `json:"city,omitempty"`
	Country string   `json:"country,omitempty"`
	Lat     *float64 `json:"lat,omitempty"`
	Lon     *float64 `json:"lon,omitempty"`
}

// Price is what an event costs, in the currency's major unit.
type Price struct {
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Currency string  `json:"currency"`
}

// draft says what the API is told of a row. What a search can ask about is
// carried over as it stands: place, coordinates (of online events too), tags,
// title and times.
func (r *Row) draft(organization string, when Span) Draft {
	d := Draft{
		OrganizationID: organization, ExternalID: r.ID, Online: r.Online,
		Title: r.Title, Description: r.Description,
		StartsAt: when.Start.Format(time.RFC3339), EndsAt: when.End.Format(time.RFC3339), TimeZone: when.Zone,
		Venue: r.venue(), Category: r.Category, Tags: r.Tags,
		Capacity: r.Capacity, MaxParty: r.MaxParty, WaitlistPolicy: r.Waitlist, OfferTTL: r.OfferTTL,
		Visibility: r.Visibility, Reminders: r.Reminders, Questions: r.Questions, Price: r.price(),
	}
	if d.Tags == nil {
		d.Tags = []string{}
	}
	link := withScheme(r.URL)
	switch {
	case r.Online && link == "":
		// Guests of an online event need a link; this one leads nowhere.
		d.OnlineURL = "https://example.org/online/" + slugOf(r.ID)
	case r.Online:
		d.OnlineURL = link
	case link != "":
		// The API has no link for a gathering in a room: guests find it in the text.
		d.Description = strings.TrimSpace(d.Description + "\n\n" + link)
	}
	return d
}

func (r *Row) venue() *Venue {
	v := Venue{Name: r.Venue, Address: r.Address, City: r.City, Country: strings.ToUpper(r.Country), Lat: r.Lat, Lon: r.Lon}
	if v.Address == "" && r.Region != "" {
		v.Address = strings.Trim(r.City+", "+r.Region, ", ")
	}
	if v == (Venue{}) {
		return nil
	}
	return &v
}

func (r *Row) price() *Price {
	if !r.Price.Known || len(r.Currency) != 3 {
		return nil
	}
	return &Price{Min: r.Price.Value, Max: r.Price.Value, Currency: strings.ToUpper(r.Currency)}
}

// withScheme mends links as people type them: "example.org/a", "http:example.org".
func withScheme(link string) string {
	link = strings.TrimSpace(link)
	lower := strings.ToLower(link)
	switch {
	case link == "", strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"):
		return link
	case strings.HasPrefix(lower, "http:"):
		return "http://" + strings.TrimLeft(link[len("http:"):], "/")
	case strings.HasPrefix(lower, "https:"):
		return "https://" + strings.TrimLeft(link[len("https:"):], "/")
	case strings.Contains(link, "://"):
		return ""
	}
	return "https://" + strings.TrimLeft(link, "/")
}
