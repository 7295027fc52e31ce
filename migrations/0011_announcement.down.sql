DROP TABLE notifier.announcement;
