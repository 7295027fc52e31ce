DROP TABLE rsvp_key, rsvp, event_counter, event;
DROP FUNCTION event_counter_guard();
