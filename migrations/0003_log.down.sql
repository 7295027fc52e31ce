DROP TABLE idempotency, outbox, organization_log, event_log;
DROP FUNCTION append_only();
