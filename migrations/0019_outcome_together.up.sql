-- Why: the outcomes of a run of mail are queued by the statement that records them, all at once, instead of by a call of
-- the trigger for each. Whoever counts outcome_version up has queued the outcome;
-- for every other statement the trigger does both, as before.
-- Locks: notification against everything, for an instant. Back: down; a notifier of this release must not run then, for
-- it would tell each outcome twice.

DROP TRIGGER outcome_of_update ON notifier.notification;
CREATE TRIGGER outcome_of_update BEFORE UPDATE ON notifier.notification FOR EACH ROW
    WHEN (NEW.outcome_version = OLD.outcome_version AND NEW.state IS DISTINCT FROM OLD.state
        AND (NEW.state IN ('sent', 'delivered', 'bounced', 'dead', 'void') OR OLD.state IN ('sent', 'delivered', 'bounced', 'dead', 'void')))
    EXECUTE FUNCTION notifier.queue_outcome();
