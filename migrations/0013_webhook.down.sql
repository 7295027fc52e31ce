DROP TABLE notifier.webhook_delivery, notifier.webhook;
DROP INDEX notifier.notification_dead;
