package rsvp

import (
	"fmt"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

// A full batch of newcomers, as admission decides it: ns/op is one decision.
func BenchmarkSubmit(b *testing.B) {
	for _, c := range []struct {
		name     string
		capacity int
		policy   string
	}{
		{"seats", 1 << 30, contract.WaitlistAuto},
		{"waitlist", 0, contract.WaitlistAuto},
		{"refused", 0, contract.WaitlistNone},
	} {
		b.Run(c.name, func(b *testing.B) {
			const batch = 512
			commands := make([]Command, batch)
			actors := make([]Actor, batch)
			for i := range commands {
				id := fmt.Sprintf("01890000-0000-7000-8000-%012d", i)
				commands[i], actors[i] = submit(id, contract.Going, 1), GuestActor(id)
			}
			w := newWorld(b, c.capacity, policy(c.policy))
			b.ReportAllocs()
			for done := 0; done < b.N; done += batch {
				book := NewBook(w.event, w.counters, w.version)
				for i, command := range commands {
					if done+i == b.N {
						break
					}
					book.Sought(command.Needs())
					if _, err := command.Decide(book, actors[i], w.now); err != nil && c.policy != contract.WaitlistNone {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
