DROP INDEX rsvp_queue;
CREATE INDEX rsvp_queue ON rsvp (event_id, queued_version) WHERE status = 'waitlisted';
