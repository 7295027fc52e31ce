-- Why: what became of a notification (sent, delivered, bounced, given up, void, tried again) is a message for others:
-- analytics count it. A trigger writes it to an outbox of the notifier's own, so that no statement that ends a
-- notification can forget to, in the transaction that ends it. outcome_version counts a notification's outcomes; it
-- grows under the row's lock, and ids follow it. Between other states (claims, puttings back) the conditions are looked
-- at without a call.
-- What has ended already is queued here once, so that the figures begin whole.
-- Locks: notification against writes while those rows are written anew (about 20 s for a million). Back: down.

ALTER TABLE notifier.notification ADD COLUMN outcome_version integer NOT NULL DEFAULT 0;

CREATE TABLE notifier.outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id uuid NOT NULL,
    version         integer NOT NULL,         -- outcome_version then
    state           text NOT NULL,
    outcome         text NOT NULL,
    attempts        smallint NOT NULL,
    due_at          timestamptz NOT NULL,
    finished_at     timestamptz,              -- null: it is tried again
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp() -- for its age; decides nothing
);

UPDATE notifier.notification SET outcome_version = 1 WHERE state IN ('sent', 'delivered', 'bounced', 'dead', 'void');
INSERT INTO notifier.outbox (notification_id, version, state, outcome, attempts, due_at, finished_at)
SELECT id, 1, state, outcome, attempts, due_at, finished_at FROM notifier.notification WHERE outcome_version = 1 ORDER BY id;

CREATE FUNCTION notifier.queue_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.outcome_version := OLD.outcome_version + 1;
    END IF;
    INSERT INTO notifier.outbox (notification_id, version, state, outcome, attempts, due_at, finished_at)
    VALUES (NEW.id, NEW.outcome_version, NEW.state, NEW.outcome, NEW.attempts, NEW.due_at, NEW.finished_at);
    RETURN NEW;
END $$;

CREATE FUNCTION notifier.first_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.outcome_version := 1;
    RETURN NEW;
END $$;

CREATE TRIGGER outcome_of_update BEFORE UPDATE ON notifier.notification FOR EACH ROW
    WHEN (NEW.state IS DISTINCT FROM OLD.state
        AND (NEW.state IN ('sent', 'delivered', 'bounced', 'dead', 'void') OR OLD.state IN ('sent', 'delivered', 'bounced', 'dead', 'void')))
    EXECUTE FUNCTION notifier.queue_outcome();
-- One that is void from the start. The outbox waits for AFTER: an insert that meets a row that is there is none.
CREATE TRIGGER outcome_of_insert BEFORE INSERT ON notifier.notification FOR EACH ROW
    WHEN (NEW.state IN ('sent', 'delivered', 'bounced', 'dead', 'void')) EXECUTE FUNCTION notifier.first_outcome();
CREATE TRIGGER outcome_of_inserted AFTER INSERT ON notifier.notification FOR EACH ROW
    WHEN (NEW.state IN ('sent', 'delivered', 'bounced', 'dead', 'void')) EXECUTE FUNCTION notifier.queue_outcome();
