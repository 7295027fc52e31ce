package admission

// line is the queue of one event and the goroutine that serves it.
type line struct {
	desk  *Desk
	event string
	queue []*waiting // under Desk.mu
}

// run takes batch after batch until nobody waits. It waits for a slot before it takes: what arrives meanwhile belongs
// to the batch.
func (l *line) run() {
	for {
		l.desk.slots <- struct{}{}
		batch, more := l.take()
		if len(batch) > 0 {
			l.desk.settle(batch)
		}
		<-l.desk.slots
		if !more {
			return
		}
	}
}

// take empties the queue up to MaxBatch. more is false when nobody waited: the line is gone then.
func (l *line) take() (batch []*waiting, more bool) {
	d := l.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(l.queue) == 0 {
		delete(d.lines, l.event)
		return nil, false
	}
	n := min(len(l.queue), d.cfg.MaxBatch)
	d.queued -= n
	for _, w := range l.queue[:n] {
		if w.dropped {
			d.leave(w)
			continue
		}
		w.taken = true
		batch = append(batch, w)
	}
	l.queue = append([]*waiting(nil), l.queue[n:]...)
	return batch, true
}
