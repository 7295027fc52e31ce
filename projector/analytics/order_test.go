package analytics

import (
	"context"
	"maps"
	"testing"
)

// A topic that was lost and made anew begins at 0 again: the marks of the old
// one, which were beyond, let everything through.
func TestMarksBeginAgainWithTheTopic(t *testing.T) {
	t.Parallel()
	var raised map[int32]int64
	o := newOrder(func(_ context.Context, upTo map[int32]int64) error {
		raised = maps.Clone(upTo)
		return nil
	})
	refreshes := 0
	batch := func(first, last int64) int64 {
		t.Helper()
		read := map[int32]span{3: {first, last}}
		o.begin(t.Context(), read)
		if err := o.done(t.Context(), read, func(context.Context) error { refreshes++; return nil }); err != nil {
			t.Fatal(err)
		}
		return raised[3]
	}
	for _, b := range []struct{ first, last, want int64 }{{0, 9, 9}, {10, 99, 99}, {50, 60, 99}, {0, 4, 4}, {5, 7, 7}} {
		if got := batch(b.first, b.last); got != b.want {
			t.Errorf("after %d to %d the mark is %d, want %d", b.first, b.last, got, b.want)
		}
	}
	if refreshes != 2 {
		t.Errorf("%d refreshes, want one at each beginning", refreshes)
	}
}
