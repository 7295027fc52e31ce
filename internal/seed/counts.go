package seed

import "strconv"

// planCounts lets exactly as many guests say yes as a row counts: rsvp_yes of
// them get a seat and rsvp_waitlist queue, because the capacity of an event
// with a waitlist becomes rsvp_yes. All come alone, so it does not matter who
// is first, and the answers of one event may be sent side by side.
func planCounts(rows []Row) Plan {
	var p Plan
	for i := range rows {
		r := &rows[i]
		yes, waiting := count(r.RSVPYes), count(r.RSVPWaitlist)
		if waiting > 0 {
			capacity := yes
			r.Capacity, r.Waitlist = &capacity, waitlistOf(r)
		}
		for n := range yes + waiting {
			p.Steps = append(p.Steps, Step{
				Event: r.ID, Seat: strconv.Itoa(n), Who: guestAt(r.ID, n),
				Kind: kindAnswer, Response: going, Party: 1, Alone: true,
			})
		}
	}
	return p
}

func count(n *int) int {
	if n == nil || *n < 0 {
		return 0
	}
	return *n
}

// waitlistOf keeps the row's policy unless it would turn the waiting away.
func waitlistOf(r *Row) string {
	if r.Waitlist == "" || r.Waitlist == "none" {
		return "auto"
	}
	return r.Waitlist
}
