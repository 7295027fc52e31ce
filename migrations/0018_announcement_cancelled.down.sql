-- Why: the way back of 0018. Mail of cancelled announcements that waits to be tried again goes out.
-- Locks: notifier.announcement against everything, for an instant.

ALTER TABLE notifier.announcement DROP COLUMN cancelled_at;
