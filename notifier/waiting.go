package notifier

import (
	"sync"
	"time"

	"github.com/turnout-events/turnout/notifier/notice"
)

// freshFor is how long what was loaded for a notice is believed. What waits
// longer for a slow mail server is looked at again before it goes: the event
// may be cancelled or have moved, the guest be gone. At full speed nothing
// waits so long.
const freshFor = 3 * time.Second

// waiting are the jobs that no worker has begun. When one of them has waited
// too long, all that have are looked at anew, together.
type waiting struct {
	mu   sync.Mutex
	jobs map[*job]struct{}
}

func (w *waiting) add(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs == nil {
		w.jobs = map[*job]struct{}{}
	}
	w.jobs[j] = struct{}{}
}

// remove makes a job its worker's alone.
func (w *waiting) remove(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, j)
}

// lookAgain brings a job that its worker has removed up to date, if need be.
func (w *waiting) lookAgain(j *job, now time.Time, look func([]notice.Notice) []*job) {
	if j.end != nil || now.Sub(j.at) <= freshFor {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock() // also while it is looked: the other workers' jobs are looked at too, or have been
	all, claimed := []*job{j}, []notice.Notice{j.d.Notice}
	for other := range w.jobs {
		if len(all) == maxClaim {
			break
		}
		if other.end == nil && now.Sub(other.at) > freshFor {
			all, claimed = append(all, other), append(claimed, other.d.Notice)
		}
	}
	for i, found := range look(claimed) {
		*all[i] = *found
	}
}
