package projector

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// The states of a rebuild.
const (
	stateRunning = "running"
	stateDone    = "done"
	stateFailed  = "failed"
)

// Rebuild is how far the last rebuild of a store is; whichever process runs it
// keeps this in Redis for the others to show.
type Rebuild struct {
	Store   string    `json:"store"`
	State   string    `json:"state"`
	Done    int64     `json:"done"`
	Total   int64     `json:"total"`
	Started time.Time `json:"started_at"`
	Updated time.Time `json:"updated_at"` // a running one that is not updated was killed
	Error   string    `json:"error,omitempty"`
	Report  *Report   `json:"report,omitempty"`
}

// kept is how long operators see a rebuild that is over.
const kept = 7 * 24 * time.Hour

// journal writes a rebuild's progress, at most twice a second.
type journal struct {
	deps Deps
	mu   sync.Mutex
	now  Rebuild
	last time.Time
}

func (r *Rebuilder) journal(store string) *journal {
	return &journal{deps: r.Deps, now: Rebuild{Store: store, State: stateRunning, Started: time.Now().UTC()}}
}

func (j *journal) progress(ctx context.Context, done, total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now.Done, j.now.Total = max(j.now.Done, done), total
	if time.Since(j.last) > 500*time.Millisecond {
		j.write(ctx)
	}
}

func (j *journal) end(ctx context.Context, report Report, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now.State, j.now.Report = stateDone, &report
	if err != nil {
		j.now.State, j.now.Error = stateFailed, err.Error()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	j.write(ctx)
}

// write does its best: a rebuild does not fail because nobody can watch it.
func (j *journal) write(ctx context.Context) {
	j.last = time.Now()
	j.now.Updated = j.last.UTC()
	body, err := json.Marshal(j.now)
	if err == nil {
		err = j.deps.Redis.Set(ctx, j.deps.Redis.Key(document.KeyRebuild, j.now.Store), body, kept).Err()
	}
	if err != nil {
		j.deps.Log.WarnContext(ctx, "progress of the rebuild not written", "store", j.now.Store, "error", err)
	}
}

// Rebuilds gives the last rebuild of each store that had one.
func (d Deps) Rebuilds(ctx context.Context) ([]Rebuild, error) {
	out := []Rebuild{}
	keys := make([]string, 0, len(Rebuildable))
	for _, store := range Rebuildable {
		keys = append(keys, d.Redis.Key(document.KeyRebuild, store))
	}
	values, err := d.Redis.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			continue
		}
		var r Rebuild
		if err := json.Unmarshal([]byte(s), &r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Rebuild) int { return strings.Compare(a.Store, b.Store) })
	return out, nil
}

// RebuildsHandler answers GET /v1/ops/rebuilds.
func (p *Projector) RebuildsHandler(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	all, err := p.deps.Rebuilds(ctx)
	if err != nil {
		httpserver.Problem(c, fault.ErrUnavailable.Because(err))
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": all, "next_cursor": nil})
}
