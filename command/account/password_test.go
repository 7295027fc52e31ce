package account

import (
	"context"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/fault"
)

// Who runs out of time behind other sign-ins is told to come back: nothing is wrong with the server.
func TestASignInThatFindsNoRoomIsToldToComeBack(t *testing.T) {
	t.Parallel()
	h, err := newHasher(1)
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{} // somebody else's
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, _, err = h.verify(ctx, "password", h.decoy)
	if f := fault.As(err); f == nil || f.Kind != fault.Unavailable || f.RetryAfter <= 0 {
		t.Errorf("%v: want a refusal that says when to come back", err)
	}
}
