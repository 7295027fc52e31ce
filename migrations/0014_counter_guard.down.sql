-- Why: the way back of 0014. Locks: event_counter against writes, for an instant.

DROP TRIGGER event_counter_guard ON event_counter;
CREATE TRIGGER event_counter_guard BEFORE UPDATE ON event_counter
    FOR EACH ROW EXECUTE FUNCTION event_counter_guard();
