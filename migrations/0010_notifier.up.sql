-- Why: what the notifier knows (the last version seen of each event, the
-- guests, still sealed) and what it owes them. Apart in a schema of its own:
-- no other role reads it, and it can move to another database.
-- Locks: none, all tables are new. Back: down; what was planned is lost, and a
-- replay of Kafka plans (and sends) it again.

CREATE SCHEMA notifier;

CREATE TABLE notifier.organization (
    id      uuid PRIMARY KEY,
    version bigint NOT NULL,
    body    jsonb NOT NULL                    -- contract.Organization without members
);

-- version is the last one whose notices are planned: whatever comes again at
-- or below it plans nothing.
CREATE TABLE notifier.event (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    version         bigint NOT NULL,
    epoch           integer NOT NULL DEFAULT 0, -- raised when the event moves or is cancelled
    checked_in      integer NOT NULL DEFAULT 0, -- people
    moved_at        timestamptz,                -- when guests were last told of a move
    missing         bigint[] NOT NULL DEFAULT '{}', -- versions that were passed over: dead letters, until redriven
    body            jsonb                       -- contract.Event; null until a message about the event came
);

-- An RSVP as the last message told it. What says who it is stays in sealed.
CREATE TABLE notifier.guest (
    rsvp_id         uuid PRIMARY KEY,
    event_id        uuid NOT NULL,
    organization_id uuid NOT NULL,
    version         bigint NOT NULL,          -- of the event, at the RSVP's last message
    status          text NOT NULL,
    party_size      integer NOT NULL,
    queued_version  bigint NOT NULL DEFAULT 0,
    checked_in      integer NOT NULL DEFAULT 0,
    epoch           integer NOT NULL DEFAULT 0, -- of manage token and ticket
    locale          text NOT NULL,
    time_zone       text NOT NULL DEFAULT '',
    updates         boolean NOT NULL,
    reminders       boolean NOT NULL,
    erased          boolean NOT NULL DEFAULT false,
    sealed          bytea NOT NULL,
    quiet_until     timestamptz,              -- further news waits until then
    told            text NOT NULL DEFAULT ''  -- the state that the last news told
) WITH (fillfactor = 80);
CREATE INDEX guest_event ON notifier.guest (event_id);
CREATE INDEX guest_queue ON notifier.guest (event_id, queued_version) WHERE status = 'waitlisted';

CREATE TABLE notifier.notification (
    id              uuid PRIMARY KEY,         -- derived from guest, kind, channel and occurrence
    event_id        uuid NOT NULL,
    organization_id uuid NOT NULL,
    rsvp_id         uuid NOT NULL,
    kind            text NOT NULL,
    channel         text NOT NULL,
    occurrence      text NOT NULL,
    lane            smallint NOT NULL,        -- 0 urgent … 3 bulk: claimed in this order
    due_at          timestamptz NOT NULL,     -- when the guest should have it
    next_at         timestamptz NOT NULL,     -- when it is tried (again)
    useful_until    timestamptz,              -- void after this
    epoch           integer NOT NULL,         -- of the event, when planned
    state           text NOT NULL CHECK (state IN
        ('planned', 'claimed', 'sent', 'delivered', 'bounced', 'failed', 'dead', 'void')),
    reason          text NOT NULL,            -- why it was planned
    cause_type      text NOT NULL,            -- the message that caused it
    cause_version   bigint NOT NULL,
    detail          jsonb NOT NULL,
    planned_at      timestamptz NOT NULL,
    outcome         text NOT NULL DEFAULT '', -- why it is void, what the server said
    attempts        smallint NOT NULL DEFAULT 0,
    refusals        smallint NOT NULL DEFAULT 0, -- attempts that ended in a permanent refusal
    fence           bigint NOT NULL DEFAULT 0, -- grows with each claim: an old holder cannot record
    claimed_by      text NOT NULL DEFAULT '',
    lease_until     timestamptz,
    finished_at     timestamptz               -- sent, void or dead
) WITH (fillfactor = 80);
-- A tick probes this once per lane, so its cost does not depend on what is
-- planned for later.
CREATE INDEX notification_due ON notifier.notification (channel, lane, next_at) WHERE state IN ('planned', 'failed');
CREATE INDEX notification_lease ON notifier.notification (lease_until) WHERE state = 'claimed';
CREATE INDEX notification_guest ON notifier.notification (rsvp_id);
CREATE INDEX notification_event ON notifier.notification (event_id, planned_at);

-- Who gets no (or less) mail. hmac is the keyed identity of an address, as
-- command makes it; organization_id is null when it holds for all of them.
CREATE TABLE notifier.suppression (
    hmac            bytea NOT NULL,
    organization_id uuid,
    reason          text NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained')),
    source          text NOT NULL DEFAULT '', -- the notice or the report that caused it
    created_at      timestamptz NOT NULL
);
CREATE UNIQUE INDEX suppression_key ON notifier.suppression (hmac, reason, coalesce(organization_id, '00000000-0000-0000-0000-000000000000'));
