package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/IBM/sarama"
)

// Who reads a topic that is new, or whose broker has just left, waits for its leader; other failures are told at once.
func TestReadersWaitForALeader(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	for _, c := range []struct {
		errs  []error
		asked int
		want  error
	}{
		{[]error{sarama.ErrNotLeaderForPartition, fmt.Errorf("offset: %w", sarama.ErrLeaderNotAvailable), nil}, 3, nil},
		{[]error{sarama.ErrNotLeaderForPartition, other, nil}, 2, other},
		{[]error{nil, other}, 1, nil},
	} {
		asked := 0
		_, err := fromLeader(t.Context(), func() (int, error) {
			asked++
			return asked, c.errs[asked-1]
		})
		if asked != c.asked || !errors.Is(err, c.want) {
			t.Errorf("%v: asked %d times, %v", c.errs, asked, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := fromLeader(ended, func() (int, error) { return 0, sarama.ErrLeaderNotAvailable }); !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		t.Error(err)
	}
}
