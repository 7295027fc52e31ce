-- Why: the way back of 0015. Outcomes that are not published yet are lost to the analytics.
-- Locks: notification against reads and writes, for an instant.

DROP TRIGGER outcome_of_update ON notifier.notification;
DROP TRIGGER outcome_of_insert ON notifier.notification;
DROP TRIGGER outcome_of_inserted ON notifier.notification;
DROP FUNCTION notifier.queue_outcome();
DROP FUNCTION notifier.first_outcome();
DROP TABLE notifier.outbox;
ALTER TABLE notifier.notification DROP COLUMN outcome_version;
