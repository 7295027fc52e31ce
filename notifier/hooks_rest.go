package notifier

import (
	"sync"
	"time"
)

const (
	// slowPost is when a receiver has taken long: most answer within a tenth.
	slowPost = 2 * time.Second
	// restFor times as long as its post took a webhook is left alone then.
	restFor = 6
)

// resting are webhooks whose receivers take long to answer, or never do. All
// organizations share the workers: without rests, one receiver that lets every
// post run into its time would keep everybody's waiting. Safe for concurrent
// use; a process that starts anew learns it anew.
type resting struct {
	mu    sync.Mutex
	until map[string]time.Time // by webhook
}

// took notes how long a post was.
func (r *resting) took(webhookID string, long time.Duration, now time.Time) {
	if long < slowPost {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	r.until[webhookID] = now.Add(restFor * long)
}

// has tells whether a webhook rests.
func (r *resting) has(webhookID string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until[webhookID])
}

// all lists those that rest, and forgets the others.
func (r *resting) all(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := []string{}
	for id, until := range r.until {
		if now.Before(until) {
			ids = append(ids, id)
		} else {
			delete(r.until, id)
		}
	}
	return ids
}
