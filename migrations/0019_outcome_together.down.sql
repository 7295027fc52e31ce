-- Why: the way back of 0019: every outcome is queued by the trigger.
-- Locks: notification against everything, for an instant.

DROP TRIGGER outcome_of_update ON notifier.notification;
CREATE TRIGGER outcome_of_update BEFORE UPDATE ON notifier.notification FOR EACH ROW
    WHEN (NEW.state IS DISTINCT FROM OLD.state
        AND (NEW.state IN ('sent', 'delivered', 'bounced', 'dead', 'void') OR OLD.state IN ('sent', 'delivered', 'bounced', 'dead', 'void')))
    EXECUTE FUNCTION notifier.queue_outcome();
