package rsvp

import "github.com/turnout-events/turnout/internal/contract"

// New is the state before the first answer.
const New = ""

// What moves an RSVP: a command, or a consequence of one.
const (
	bySubmit    = "SubmitRSVP"
	byChange    = "ChangeRSVP"
	byGrowth    = "ChangeRSVP (a waiting party grows)"
	byCancel    = "CancelRSVP"
	byAddress   = "ConfirmAddress"
	byAccept    = "AcceptOffer"
	byDecline   = "DeclineOffer"
	byApprove   = "Approve"
	byReject    = "Reject"
	byPromotion = "promotion"
	byLapse     = "offer lapses"
	byExpiry    = "ExpirePending"
	byErase     = "EraseRSVP"
	byDoor      = "CheckIn, MergeCheckIns"
	byUndo      = "UndoCheckIn, MergeCheckIns"
	byFeedback  = "GiveFeedback"
	byLink      = "RequestLink"
)

// Transition is a move that the rules allow, and the message that tells it.
type Transition struct {
	By      string
	From    []string
	To      string // Stays: whatever it was
	Message string
}

// Stays is the To of what changes an RSVP but not its state.
const Stays = "="

const (
	pending    = contract.StatusPending
	confirmed  = contract.StatusConfirmed
	waitlisted = contract.StatusWaitlisted
	offered    = contract.StatusOffered
	maybe      = contract.StatusMaybe
	declined   = contract.StatusDeclined
	cancelled  = contract.StatusCancelled
)

// States are all states of an RSVP.
func States() []string {
	return []string{pending, confirmed, waitlisted, offered, maybe, declined, cancelled}
}

// Transitions is the table: what is not here does not happen. docs/states.md
// draws it, and a test keeps the two equal.
func Transitions() []Transition {
	all := States()
	back := []string{maybe, declined, cancelled} // who may come back and queue anew
	return []Transition{
		{bySubmit, []string{New}, pending, contract.RSVPRequestedV1},
		{bySubmit, []string{New}, confirmed, contract.RSVPConfirmedV1},
		{bySubmit, []string{New}, waitlisted, contract.RSVPWaitlistedV1},
		{bySubmit, []string{New}, maybe, contract.RSVPMaybeV1},
		{bySubmit, []string{New}, declined, contract.RSVPDeclinedV1},

		{byAddress, []string{pending}, confirmed, contract.RSVPConfirmedV1},
		{byAddress, []string{pending}, waitlisted, contract.RSVPWaitlistedV1},
		{byAddress, []string{pending}, maybe, contract.RSVPMaybeV1},
		{byAddress, []string{pending}, Stays, contract.RSVPChangedV1}, // approval is still due
		{byApprove, []string{pending}, confirmed, contract.RSVPConfirmedV1},
		{byApprove, []string{pending}, waitlisted, contract.RSVPWaitlistedV1},
		{byApprove, []string{pending}, Stays, contract.RSVPChangedV1}, // the address is still due
		{byReject, []string{pending}, cancelled, contract.RSVPRejectedV1},
		{byExpiry, []string{pending}, cancelled, contract.RSVPExpiredV1},

		{byChange, append([]string{pending}, back...), confirmed, contract.RSVPConfirmedV1},
		{byChange, append([]string{pending}, back...), waitlisted, contract.RSVPWaitlistedV1},
		{byChange, back, pending, contract.RSVPRequestedV1},
		{byChange, []string{waitlisted}, confirmed, contract.RSVPConfirmedV1}, // seated by a member after the start
		{byChange, []string{pending, confirmed, waitlisted, offered, declined, cancelled}, maybe, contract.RSVPMaybeV1},
		{byChange, []string{pending, confirmed, waitlisted, offered, maybe, cancelled}, declined, contract.RSVPDeclinedV1},
		{byChange, all, Stays, contract.RSVPChangedV1},
		{byGrowth, []string{waitlisted}, Stays, contract.RSVPWaitlistedV1}, // joins anew

		{byPromotion, []string{waitlisted}, confirmed, contract.RSVPPromotedV1},
		{byPromotion, []string{waitlisted}, offered, contract.RSVPOfferedV1},
		{byAccept, []string{offered}, confirmed, contract.RSVPConfirmedV1},
		{byDecline, []string{offered}, cancelled, contract.RSVPOfferLapsedV1},
		{byLapse, []string{offered}, cancelled, contract.RSVPOfferLapsedV1},

		{byCancel, []string{pending, confirmed, waitlisted, offered, maybe, declined}, cancelled, contract.RSVPCancelledV1},
		{byErase, []string{pending, confirmed, waitlisted, offered, maybe}, cancelled, contract.RSVPCancelledV1},
		{byErase, all, Stays, contract.RSVPErasedV1},

		{byDoor, all, Stays, contract.CheckedInV1}, // without a seat: as a conflict
		{byUndo, all, Stays, contract.CheckInUndoneV1},
		{byFeedback, []string{confirmed}, Stays, contract.FeedbackGivenV1},
		{byLink, all, Stays, contract.LinkRequestedV1},
	}
}

type move struct{ by, from, to string }

// moves is the table, to look up in; erasing an RSVP that is cancelled
// already is a stay.
var moves = func() map[move]string {
	m := map[move]string{}
	for _, t := range Transitions() {
		for _, from := range t.From {
			to := t.To
			if to == Stays {
				to = from
			}
			m[move{t.By, from, to}] = t.Message
		}
	}
	return m
}()

// messageOf gives the message of a move, or the conflict that names the two
// states.
func messageOf(by, from, to string) (string, error) {
	if message, allowed := moves[move{by, from, to}]; allowed {
		return message, nil
	}
	return "", ErrWrongState.Detailf("%s does not lead from %s to %s", by, from, to).
		With("from", from).With("to", to)
}
