package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

// together lets the batches of a group's partitions reach its store as one. A
// request to Elasticsearch costs it about as much for one document as for
// thirty, and a quiet log has a message or two in each of its partitions: what
// they hand over while the store is busy, and in the rest after it, goes with
// the next request. An idle store gets a message at once, and a group that is
// behind does not rest: what fills a request finds another worker.
//
// Partitions share no event, so the order between them says nothing.
type together struct {
	handle kafkabus.Handler
	most   int           // messages of a request, unless one batch has more
	rest   time.Duration // after a request that filled less than half of that

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the group's: a request carries the batches of several sessions
	busy    int             // requests under way, and rests
	waiting []*turn
	size    int // messages that wait
	ended   sync.WaitGroup
}

// turn is one partition's batch.
type turn struct {
	messages []*message.Message
	done     chan error
}

const (
	// keepingUp requests at a time are enough for a group that keeps up: more
	// would only be smaller ones.
	keepingUp = 1
	// behind has full requests anyway: several at a time, so that the store has
	// work while batches are decoded, and while it waits for its disk.
	behind = 4
)

func newTogether(ctx context.Context, handle kafkabus.Handler, most int, rest time.Duration) *together {
	return &together{ctx: ctx, handle: handle, most: most, rest: rest}
}

// Handle is a kafkabus.Handler. When ctx ends first, what it handed over may be
// applied all the same; it comes again and changes nothing.
func (g *together) Handle(ctx context.Context, messages []*message.Message) error {
	t := &turn{messages: messages, done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, t)
	g.size += len(messages)
	if g.busy < g.allowed() {
		g.busy++
		g.ended.Go(g.work)
	}
	g.mu.Unlock()
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns when nothing is under way any more.
func (g *together) wait() { g.ended.Wait() }

// work takes what waits until nothing does.
func (g *together) work() {
	for {
		g.mu.Lock()
		var turns []*turn
		var size int
		if g.busy <= g.allowed() {
			turns, size = g.take()
		}
		if len(turns) == 0 {
			g.busy--
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.apply(turns)
		if size < g.most/2 { // else more is on its way
			_ = pause(g.ctx, g.rest)
		}
	}
}

// allowed is how many requests may be under way with what waits now.
func (g *together) allowed() int {
	if g.size >= g.most {
		return behind
	}
	return keepingUp
}

// take gives the first turns that fit, and how many messages they have.
func (g *together) take() (turns []*turn, size int) {
	n := 0
	for n < len(g.waiting) && (n == 0 || size+len(g.waiting[n].messages) <= g.most) {
		size += len(g.waiting[n].messages)
		n++
	}
	turns = g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.size -= size
	return turns, size
}

func (g *together) apply(turns []*turn) {
	var all []*message.Message
	for _, t := range turns {
		all = append(all, t.messages...)
	}
	err := g.safely(all)
	var rejected *kafkabus.Rejected
	if !errors.As(err, &rejected) {
		for _, t := range turns {
			t.done <- err
		}
		return
	}
	from := 0
	for _, t := range turns {
		t.done <- rejectedOf(rejected, from, len(t.messages))
		from += len(t.messages)
	}
}

// rejectedOf is what concerns one turn; nil if nothing does.
func rejectedOf(r *kafkabus.Rejected, from, n int) error {
	own := map[int]error{}
	for i, reason := range r.Reasons {
		if i >= from && i < from+n {
			own[i-from] = reason
		}
	}
	if len(own) == 0 {
		return nil
	}
	return &kafkabus.Rejected{Reasons: own}
}

// safely keeps a panic from ending a process that has other groups.
func (g *together) safely(messages []*message.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	return g.handle(g.ctx, messages)
}
