package web

// eventTabs is what the bar of an event's pages is made from; layout.html defines it as "eventtabs".
type eventTabs struct {
	ID   string // the event's
	Now  string // the tab that is open: overview, guests, messages, history
	Role string // the member's in the event's organization: owner, editor, door, analyst
}
