package notifier

import (
	"slices"
	"sync/atomic"

	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// queue is what is claimed of some lanes, on its way to the workers.
type queue struct {
	lanes    []notice.Lane
	work     chan *job
	inFlight atomic.Int64 // claimed and not recorded
	more     atomic.Bool  // the last claim was as large as it could be
}

// finished is a result and the queue that has room again once it is recorded.
type finished struct {
	pgstore.Result
	queue *queue
}

func (d *deliverer) queueOf(n *notice.Notice) *queue {
	if slices.Contains(d.first.lanes, n.Kind.Lane()) {
		return &d.first
	}
	return &d.rest
}

// next gives a worker what is in the first queue, or else what comes in any.
// A channel becomes nil when it is closed and empty; false: both are.
func next(first, rest *<-chan *job) (*job, bool) {
	for *first != nil || *rest != nil {
		select {
		case j, open := <-*first:
			if open {
				return j, true
			}
			*first = nil
			continue
		default:
		}
		select {
		case j, open := <-*first:
			if open {
				return j, true
			}
			*first = nil
		case j, open := <-*rest:
			if open {
				return j, true
			}
			*rest = nil
		}
	}
	return nil, false
}
