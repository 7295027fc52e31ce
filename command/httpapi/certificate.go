package httpapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// proof is what a walk along an event's log finds.
type proof struct {
	EventID string `json:"event_id"`
	Version int64  `json:"version"` // the last message that was looked at
	Head    string `json:"head"`    // hash of that message, hex SHA-256
	// Intact: versions have no gap, every hash follows from its message and the
	// one before, and the last is the one that the event's row has.
	Intact   bool   `json:"intact"`
	BrokenAt int64  `json:"broken_at,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// seating is how the seats went, from the counters that every message carries.
type seating struct {
	// NeverExceeded: at no version did the people with a seat or a held seat
	// become more while they were, or became, more than the capacity. Lowering
	// the capacity below those who have a seat is no such thing. Null where the
	// log is not intact and shows no excess: what it lacks might.
	NeverExceeded *bool        `json:"capacity_never_exceeded"`
	ExceededAt    []int64      `json:"exceeded_at,omitempty"`
	Capacities    []capacityAt `json:"capacities"`
	MostSeated    int          `json:"most_seated"` // people
	Seated        int          `json:"seated"`
}

type capacityAt struct {
	Version  int64     `json:"version"`
	Capacity *int      `json:"capacity"` // null: unlimited
	At       time.Time `json:"at"`
}

// verifyHistory recomputes the hash chain.
func (a *API) verifyHistory(c *gin.Context) error {
	eventID := c.Param("id")
	if _, err := a.member(c, eventID, mayRead); err != nil {
		return err
	}
	p, _, err := a.walk(c.Request.Context(), eventID)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, p)
	return nil
}

// certificate is public: everybody may check that nobody was let in beyond the
// capacity. It names no guest.
func (a *API) certificate(c *gin.Context) error {
	eventID, err := validEvent(c)
	if err != nil {
		return err
	}
	// A walk costs: what anybody may ask for is limited like a guest's changes.
	if err := a.takeClient(c, a.Limits.GuestClient, "guest-client"); err != nil {
		return err
	}
	known, err := a.Store.Event(c.Request.Context(), eventID)
	if err != nil {
		return err
	}
	if !known.Event.Announced() {
		return fault.ErrNotFound
	}
	p, s, err := a.walk(c.Request.Context(), eventID)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, struct {
		proof
		seating
		IssuedAt time.Time `json:"issued_at"`
	}{p, s, a.Now().UTC()})
	return nil
}

// walk reads the head first and then no further than it: the event goes on meanwhile.
func (a *API) walk(ctx context.Context, eventID string) (proof, seating, error) {
	head, err := a.Store.Peek(ctx, pgstore.Want{EventID: eventID})
	if err != nil {
		return proof{}, seating{}, err
	}
	w := walker{proof: proof{EventID: eventID, Intact: true}}
	w.seating.Capacities = []capacityAt{}
	err = a.eachMessage(ctx, eventID, 0, func(m *contract.Envelope) error {
		if m.Version > head.Version {
			return nil
		}
		w.step(m)
		return nil
	})
	if w.proof.Intact && (w.proof.Version != head.Version || !bytes.Equal(w.chain, head.Chain)) {
		w.broken(head.Version, "the log ends elsewhere than the event's row says")
	}
	w.proof.Head = hex.EncodeToString(w.chain)
	if never := len(w.seating.ExceededAt) == 0; w.proof.Intact || !never {
		w.seating.NeverExceeded = &never
	}
	return w.proof, w.seating, err
}

type walker struct {
	proof   proof
	seating seating
	chain   []byte
}

func (w *walker) broken(version int64, reason string) {
	if w.proof.Intact {
		w.proof.Intact, w.proof.BrokenAt, w.proof.Reason = false, version, reason
	}
}

func (w *walker) step(m *contract.Envelope) {
	if m.Version != w.proof.Version+1 {
		w.broken(m.Version, "a version is missing before it")
	}
	if !bytes.Equal(m.ChainHash(w.chain), m.Chain) {
		w.broken(m.Version, "its hash does not follow from its content and the message before")
	}
	w.proof.Version, w.chain = m.Version, m.Chain
	now, err := m.Counters()
	if err != nil {
		w.broken(m.Version, "its counters cannot be read")
		return
	}
	s := &w.seating
	before, seated := s.Seated, now.Going+now.Held
	if now.Capacity != nil && seated > *now.Capacity && seated > before {
		s.ExceededAt = append(s.ExceededAt, m.Version)
	}
	s.Seated, s.MostSeated = seated, max(s.MostSeated, seated)
	if n := len(s.Capacities); n == 0 || !same(s.Capacities[n-1].Capacity, now.Capacity) {
		s.Capacities = append(s.Capacities, capacityAt{Version: m.Version, Capacity: now.Capacity, At: m.RecordedAt})
	}
}

func same(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }
