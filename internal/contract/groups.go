package contract

// The consumer groups, without the namespace before them. Renaming one makes it
// read its topics from the beginning.
const (
	GroupListing      = "listing"
	GroupAvailability = "availability"
	GroupGuestlist    = "guestlist"
	GroupFacts        = "facts"
	GroupAccess       = "access"
	GroupNotifier     = "notifier"
	GroupOutcomes     = "outcomes"
)

// Groups tells which topics each consumer group reads.
func Groups() map[string][]string {
	return map[string][]string{
		GroupListing:      {TopicRegistrations},
		GroupAvailability: {TopicRegistrations},
		GroupGuestlist:    {TopicRegistrations},
		GroupFacts:        {TopicRegistrations},
		GroupAccess:       {TopicOrganizations},
		GroupOutcomes:     {TopicNotifications},
		GroupNotifier:     {TopicRegistrations, TopicOrganizations},
	}
}
