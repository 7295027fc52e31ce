package relay

import "testing"

// Between the snapshot and the rows of one read, a transaction takes id 50 and another commits id 51. The first may
// commit at any time after: no mark may pass its row, however often is looked.
func TestNoMarkPassesAnIdOfAfterTheSnapshot(t *testing.T) {
	t.Parallel()
	const snapshot = 100 // the next transaction's id
	s := &session{shards: []int{0}, acked: map[int][]int64{}}
	s.raise([]row{{shard: 0, id: 10}}, true, snapshot-5, snapshot-5)
	s.raise([]row{{shard: 0, id: 51}}, true, snapshot, snapshot)
	for range 3 {
		s.raise(nil, true, snapshot, snapshot+2) // the transaction with id 50 is number 100, and lives
		if s.low[0] >= 50 {
			t.Fatalf("what has an id up to %d is passed over", s.low[0])
		}
	}
	s.raise(nil, true, snapshot+2, snapshot+2)
	s.raise(nil, true, snapshot+2, snapshot+2)
	if s.low[0] != 51 {
		t.Errorf("low is %d after all have ended", s.low[0])
	}
}
