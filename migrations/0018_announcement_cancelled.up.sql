-- Why: a mail of an announcement that was claimed before the announcement was cancelled, and put back untried, must not go.
-- Locks: notifier.announcement against everything, for an instant. Back: down.

ALTER TABLE notifier.announcement ADD COLUMN cancelled_at timestamptz; -- null: it was not
