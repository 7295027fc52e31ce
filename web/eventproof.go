package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// proof is the API's certificate of an event: its whole log, walked from the first message to the last.
type proof struct {
	chainView

	Never      *bool   `json:"capacity_never_exceeded"`
	ExceededAt []int64 `json:"exceeded_at"`
	Capacities []struct {
		Version  int64     `json:"version"`
		Capacity *int      `json:"capacity"`
		At       time.Time `json:"at"`
	} `json:"capacities"`
	MostSeated int `json:"most_seated"`
	Seated     int `json:"seated"`
}

// proofShown is a certificate in words, or why there is none right now.
type proofShown struct {
	proof

	Verdict string
	Good    bool
	Limits  []limitShown
	Problem *problem
}

// limitShown is a number of seats and since when there were so many.
type limitShown struct{ From, Seats string }

func (p *pages) proofOf(c *gin.Context, e ownEvent) *proofShown {
	var s proofShown
	if _, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.command+"/v1/events/"+e.ID+"/certificate", nil, &s.proof, by(c)); err != nil {
		return &proofShown{Problem: asProblem(err)}
	}
	s.Verdict, s.Good = s.verdict()
	for _, l := range s.Capacities {
		s.Limits = append(s.Limits, limitShown{when(l.At, e.TimeZone), capacityWord(l.Capacity)})
	}
	return &s
}

func (s proof) verdict() (words string, good bool) {
	switch {
	case s.Never != nil && !*s.Never:
		return "The log shows that more people had a seat than there were seats, " + counted(len(s.ExceededAt), "time") + ". Please tell who runs this system.", false
	case !s.Intact:
		return fmt.Sprintf("The log of this event was altered at entry %d, so nothing can be proved: %s.", s.BrokenAt, s.Reason), false
	case s.Never == nil:
		return "Nothing can be proved.", false
	}
	return "At no moment had more people a seat than there were seats.", true
}
