-- Why: every decision on an event looks for its offers that ran out. By time alone that walks the offers of all events,
-- and those of cancelled ones stay for good. Locks: SHARE on rsvp while the index is built. Back: down.

CREATE INDEX rsvp_event_offer ON rsvp (event_id, offer_expires_at) WHERE status = 'offered';
