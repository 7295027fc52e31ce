-- What nobody would release any more must not wait for ever.
UPDATE notifier.notification SET state = 'void', outcome = 'limit-withdrawn', finished_at = planned_at, next_at = due_at
WHERE next_at = 'infinity' AND state IN ('planned', 'failed');
DROP TABLE notifier.test_mail, notifier.wording, notifier.bulk, notifier.campaign_recipient, notifier.campaign;
DROP INDEX notifier.notification_campaign, notifier.notification_bulk, notifier.notification_held, notifier.event_organization;
ALTER TABLE notifier.guest DROP COLUMN marketing;
