package seed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Row is one event of a file: a JSON object on a line of its own. A field
// that is absent is unknown. The README beside the demo set describes each.
//
// A row says when it takes place in one of two ways: Start and End are
// RFC 3339 with an offset, in the zone TZ; or StartIn, At and Lasts are
// relative to the day of loading, in the zone TZ.
type Row struct {
	ID            string   `json:"id"`
	Source        string   `json:"source"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Start         string   `json:"start"`
	End           string   `json:"end"`
	TZ            string   `json:"tz"`
	StartIn       *int     `json:"start_in"` // days after today
	At            string   `json:"at"`       // wall clock, 15:04
	Lasts         string   `json:"lasts"`    // 90m, 2h30m, 48h
	City          string   `json:"city"`
	Region        string   `json:"region"`
	Country       string   `json:"country"` // ISO 3166-1 alpha-2
	Lat           *float64 `json:"lat"`     // WGS 84 degrees
	Lon           *float64 `json:"lon"`
	Venue         string   `json:"venue"`
	Address       string   `json:"address"`
	Online        bool     `json:"online"`
	URL           string   `json:"url"`
	Tags          []string `json:"tags"`
	Category      string   `json:"category"`
	Organizer     string   `json:"organizer"`
	Status        string   `json:"status"` // active, cancelled
	RSVPYes       *int     `json:"rsvp_yes"`
	RSVPWaitlist  *int     `json:"rsvp_waitlist"`
	Free          *bool    `json:"free"`
	Price         Amount   `json:"price"`
	Currency      string   `json:"currency"`
	Capacity      *int     `json:"capacity"`
	MaxParty      int      `json:"max_party"`
	Waitlist      string   `json:"waitlist_policy"` // auto, offer, none
	OfferTTL      string   `json:"offer_ttl"`
	Visibility    string   `json:"visibility"`
	Reminders     []string `json:"reminders"`
	Questions     []Ask    `json:"questions"`
	CancelBecause string   `json:"cancel_reason"`

	line int
}

// Ask is a question to the guests of an event, as the API takes it.
type Ask struct {
	ID       string   `json:"id"`
	Label    string   `json:"label"`
	Kind     string   `json:"kind"`
	Options  []string `json:"options,omitempty"`
	Required bool     `json:"required"`
}

// Cancelled says whether the row's event was called off.
func (r *Row) Cancelled() bool { return r.Status == "cancelled" }

// Amount is a price in the currency's major unit. Files write it as a number,
// as text or as null; Known tells whether there was one.
type Amount struct {
	Value float64
	Known bool
}

// UnmarshalJSON reads 15, 15.5, "15.00", "" and null.
func (a *Amount) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || strings.TrimSpace(s) == "" {
		*a = Amount{}
		return nil
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(v >= 0 && v <= math.MaxInt32) { // so that NaN is none
		return fmt.Errorf("%q is not a price", s)
	}
	*a = Amount{Value: v, Known: true}
	return nil
}

// BadRow is a line that can't be loaded, and why.
type BadRow struct {
	Line   int    `json:"line"`
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason"`
}

// maxLine bounds one line of a file: far above any real row, so that a file
// without line ends fails instead of eating the memory.
const maxLine = 4 << 20

// ReadRows reads at most limit rows (0 = all). A line that is no row is
// reported, never dropped in silence; only a failing reader is an error.
func ReadRows(in io.Reader, limit int) ([]Row, []BadRow, error) {
	var rows []Row
	var bad []BadRow
	seen := map[string]int{}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		b := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff")))
		if len(b) == 0 {
			continue
		}
		if limit > 0 && len(rows) == limit {
			break
		}
		r := Row{line: n}
		err := json.Unmarshal(b, &r)
		if err == nil {
			err = r.check()
		}
		if first, twice := seen[r.ID]; err == nil && twice {
			err = fmt.Errorf("the id stands on line %d already", first)
		}
		if err != nil {
			bad = append(bad, BadRow{Line: n, ID: r.ID, Reason: err.Error()})
			continue
		}
		seen[r.ID] = n
		rows = append(rows, r)
	}
	return rows, bad, lines.Err()
}

func (r *Row) check() error {
	switch {
	case r.ID == "":
		return errors.New("no id")
	case strings.TrimSpace(r.Title) == "":
		return errors.New("no title")
	case r.Start == "" && r.StartIn == nil:
		return errors.New("neither start nor start_in")
	case (r.Lat == nil) != (r.Lon == nil):
		return errors.New("lat and lon go together")
	}
	if _, err := r.span(time.Unix(0, 0)); err != nil {
		return err
	}
	return nil
}
