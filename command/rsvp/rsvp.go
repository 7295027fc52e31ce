// Package rsvp is the rules: what may happen to an event and to the answers to
// it, and which messages say so. It is pure: no database, no broker, no clock,
// no log. The caller loads a Book under the lock of the event's counter row,
// lets commands decide on it one after the other, and saves what changed
// together with the messages in one transaction.
//
// One file per command. The moves of an RSVP are in transition.go, seats and
// the waitlist in seats.go, the door in door.go, an event's input in event.go.
package rsvp

import (
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// Command is something that somebody wants to happen to one event.
type Command interface {
	// Needs tells what must be in the Book before Decide.
	Needs() Needs
	// Decide applies the command to the book or refuses it with a fault; a
	// refusal leaves the book as it was. It appends the messages of what
	// happened, its consequences (promotions, lapsed offers) included.
	Decide(b *Book, by Actor, now time.Time) (Outcome, error)
}

// Needs is what a command wants to see. Book.QueueNeed adds the needs of a
// batch up to how much of the queue to load.
type Needs struct {
	RSVPIDs    []string
	EmailHMACs [][]byte
	// All asks for the whole queue: the command may set free more seats than
	// those of the RSVPs that it names (a raised capacity), or lets a queue
	// move again that stood still (an event moved to the future).
	All bool
	// Waiting asks for the number of waiting parties (Book.SetWaiting), from
	// which a party that joins the queue learns its place.
	Waiting bool
}

// Actor is who wants it: guest:<rsvp id>, member:<account id>, system:<what>.
// The caller has proven the id and, for Member, the role.
type Actor struct {
	ID     string
	Member bool // has a role in the organization that allows the command
	System bool
}

// GuestActor is the guest of an RSVP, as proven by its manage token.
func GuestActor(rsvpID string) Actor { return Actor{ID: guestPrefix + rsvpID} }

// MemberActor is a member whose role allows the command.
func MemberActor(accountID string) Actor { return Actor{ID: "member:" + accountID, Member: true} }

// SystemActor is one of our own sweeps or tools.
func SystemActor(what string) Actor { return Actor{ID: "system:" + what, System: true} }

const guestPrefix = "guest:"

// mayActFor tells whether a is the RSVP's guest, or stands above one.
func (a Actor) mayActFor(rsvpID string) bool {
	if a.Member || a.System {
		return true
	}
	id, guest := strings.CutPrefix(a.ID, guestPrefix)
	return guest && id == rsvpID
}

// Outcome is what the caller of a command gets to know.
type Outcome struct {
	RSVP     *contract.RSVP  // as it is after the command; nil for commands on the event
	Event    *contract.Event // as it is after the command; always set
	Counters contract.Counters
	Version  int64 // of the event after the command
	// Position is a waitlisted party's place, from 1; 0 when it is not on the
	// waitlist or its place is not known here (the read side tells it).
	Position int
	CheckIns []CheckInResult
}

// What came of a check-in.
const (
	Admitted     = "admitted"
	Already      = "already"       // everybody of the party is inside
	Cancelled    = "cancelled"     // the guest withdrew
	NotConfirmed = "not_confirmed" // no seat: waiting, maybe, declined, pending
	Unknown      = "unknown"       // no such RSVP at this event
	WrongEvent   = "wrong_event"   // a ticket of another event: for the caller that read the ticket
	Undone       = "undone"
)

// CheckInResult is what came of one entry at the door.
type CheckInResult struct {
	EntryID   string `json:"entry_id,omitempty"`
	RSVPID    string `json:"rsvp_id"`
	Outcome   string `json:"outcome"`
	People    int    `json:"people"`     // let in by this entry
	CheckedIn int    `json:"checked_in"` // of the party, after it
	PartySize int    `json:"party_size"`
	Conflict  string `json:"conflict,omitempty"` // double, cancelled
}
