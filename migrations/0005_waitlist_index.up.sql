-- Why: filling n free seats asks, for each party size up to n, for the first few of the queue. With the size in front
-- of the place in the queue that is a few index probes, however long the waitlist is. Locks: ACCESS EXCLUSIVE on the
-- index that goes, SHARE on rsvp while the new one is built. Back: down.

DROP INDEX rsvp_queue;
CREATE INDEX rsvp_queue ON rsvp (event_id, party_size, queued_version) WHERE status = 'waitlisted';
