-- Why: the way back of 0017. Notices for members, devices and members' choices are lost.
-- Locks: notification, guest and event against reads and writes, the first while its rows for members are deleted.

DELETE FROM notifier.notification WHERE rsvp_id IS NULL;
ALTER TABLE notifier.notification DROP CONSTRAINT notification_for_one, DROP COLUMN account_id, ALTER COLUMN rsvp_id SET NOT NULL;
DROP INDEX notifier.guest_digest;
ALTER TABLE notifier.guest DROP COLUMN digest_at;
ALTER TABLE notifier.event DROP COLUMN going, DROP COLUMN held, DROP COLUMN waitlisted, DROP COLUMN is_full, DROP COLUMN fillings,
    DROP COLUMN open_since, DROP COLUMN digest_at;
DROP TABLE notifier.member_choice;
DROP TABLE notifier.member;
DROP TABLE notifier.push_subscription;
