-- Why: what organizers write to their guests. The words stand here once; the
-- notices of the guests name them. Locks: none, the table is new. Back: down.
CREATE TABLE notifier.announcement (
    id              uuid PRIMARY KEY,
    event_id        uuid NOT NULL,
    organization_id uuid NOT NULL,
    account_id      uuid NOT NULL,
    audience        text NOT NULL,
    subject         text NOT NULL,
    body            text NOT NULL,
    recipients      integer NOT NULL,
    unwanted        integer NOT NULL,         -- guests of the audience who did not want updates
    request_key     text NOT NULL,            -- Idempotency-Key
    request_hash    bytea NOT NULL,
    created_at      timestamptz NOT NULL,
    UNIQUE (account_id, request_key)
);
CREATE INDEX announcement_organization ON notifier.announcement (organization_id, created_at);
CREATE INDEX announcement_event ON notifier.announcement (event_id, created_at);
