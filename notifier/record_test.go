package notifier

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What was sent is handed to the store 20 ms after the first of it or with the
// fiftieth, whatever comes first, and all of it when the deliverer ends: a kill
// can double no more.
func TestResultsAreRecordedWithinTwentyMillisecondsOrFiftyMails(t *testing.T) {
	t.Parallel()
	type burst struct {
		at time.Duration
		n  int
	}
	for name, c := range map[string]struct {
		bursts []burst
		write  time.Duration // that a batch takes to be written
		want   []string      // when, and how many
	}{
		"one mail":                      {[]burst{{0, 1}}, 0, []string{"20ms: 1"}},
		"forty-nine":                    {[]burst{{0, 49}}, 0, []string{"20ms: 49"}},
		"fifty":                         {[]burst{{0, 50}}, 0, []string{"0s: 50"}},
		"the time is of the first":      {[]burst{{0, 1}, {15 * time.Millisecond, 1}, {25 * time.Millisecond, 1}}, 0, []string{"20ms: 2", "45ms: 1"}},
		"the count before the time":     {[]burst{{0, 10}, {5 * time.Millisecond, 40}, {6 * time.Millisecond, 1}}, 0, []string{"5ms: 50", "26ms: 1"}},
		"a slow store gets all at once": {[]burst{{0, 50}, {10 * time.Millisecond, 120}}, 30 * time.Millisecond, []string{"0s: 50", "30ms: 120"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				results := make(chan finished, 500)
				var got []string
				done := make(chan struct{})
				go func() {
					defer close(done)
					gather(results, func(batch []finished) {
						if len(batch) > 0 {
							got = append(got, fmt.Sprintf("%s: %d", time.Since(start), len(batch)))
							<-time.After(c.write)
						}
					})
				}()
				for _, b := range c.bursts {
					<-time.After(b.at - time.Since(start))
					for range b.n {
						results <- finished{}
					}
				}
				<-time.After(time.Second)
				synctest.Wait()
				if !slices.Equal(got, c.want) {
					t.Errorf("recorded %v, expected %v", got, c.want)
				}
				results <- finished{}
				close(results)
				<-done
				if len(got) != len(c.want)+1 {
					t.Errorf("the end left something behind: %v", got)
				}
			})
		})
	}
}
