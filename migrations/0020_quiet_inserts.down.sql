-- Why: the way back of 0020: the command role inserts by itself, and looks before it does.
-- Locks: none.

DROP FUNCTION write_rsvps, write_rsvp, write_answers, write_answer;
