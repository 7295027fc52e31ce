// Package ops holds what every role shows to operators in the same form: lag
// of consumer groups and the guard in front of it.
package ops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// lagTimeout bounds one look at the broker: a page that polls must not pile up.
const lagTimeout = 4 * time.Second

// errKafkaAway is what operators read while the broker is.
var errKafkaAway = fault.New(fault.Unavailable, "kafka-unavailable", "Kafka does not answer, so nobody can say how far behind consumers are")

// Lag is one line of GET /v1/ops/lag and of `turnout lag --json`.
type Lag struct {
	Group     string  `json:"group"`
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Committed int64   `json:"committed_offset"` // -1: never committed
	End       int64   `json:"end_offset"`
	Messages  int64   `json:"messages_behind"`
	Seconds   float64 `json:"seconds_behind"`
}

// Read asks the broker how far behind the groups are.
func Read(ctx context.Context, cfg kafkabus.Config, groups map[string][]string) ([]Lag, error) {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	found, err := kafkabus.Lag(ctx, cfg, groups)
	if err != nil {
		return nil, errKafkaAway.Because(err)
	}
	lags := make([]Lag, 0, len(found))
	for _, l := range found {
		lags = append(lags, Lag{l.Group, l.Topic, l.Partition, l.Committed, l.End, l.Messages, l.Seconds})
	}
	return lags, nil
}

// LagHandler answers GET /v1/ops/lag for a role's own groups.
func LagHandler(cfg kafkabus.Config, groups map[string][]string) gin.HandlerFunc {
	return func(c *gin.Context) {
		lags, err := Read(c.Request.Context(), cfg, groups)
		if err != nil {
			httpserver.Problem(c, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{"items": lags, "next_cursor": nil})
	}
}

// Guard lets only requests with the token pass; with no token nobody does.
func Guard(token string) gin.HandlerFunc {
	want := sha256.Sum256([]byte(token))
	return func(c *gin.Context) {
		given, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(given)) // equal lengths, so the comparison tells nothing by its time
		if !ok || token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			httpserver.Problem(c, fault.ErrUnauthorized.Detailf("send the operators' token as a bearer token"))
		}
	}
}
