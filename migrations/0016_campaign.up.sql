-- Why: organizers write to a segment of their guests (campaigns, with variants of the subject and an hourly limit per
-- organization) and put the mails of an event into their own words (wording).
-- Mail of campaigns and announcements is planned with next_at = infinity, which nobody claims, and released as the limit
-- allows: so waiting is a time like any other, and whatever takes notices back takes these back too.
-- marketing is false for guests who were heard of before: their consent was dropped here, and comes with the next message
-- about their answer.
-- Locks: notification against writes while three indexes are built (they are empty but for announcements, so it takes one
-- scan); guest and event for an instant. Back: down; drafts, campaigns' results and wordings are lost, and what was held
-- is void.

ALTER TABLE notifier.guest ADD COLUMN marketing boolean NOT NULL DEFAULT false;
CREATE INDEX event_organization ON notifier.event (organization_id);

CREATE INDEX notification_held ON notifier.notification (organization_id, due_at, id)
    WHERE next_at = 'infinity' AND state IN ('planned', 'failed');
CREATE INDEX notification_bulk ON notifier.notification (organization_id, due_at) WHERE kind IN ('announcement', 'campaign');
CREATE INDEX notification_campaign ON notifier.notification (occurrence, state) WHERE kind = 'campaign';

CREATE TABLE notifier.campaign (
    id              uuid PRIMARY KEY,
    event_id        uuid NOT NULL,
    organization_id uuid NOT NULL,
    account_id      uuid NOT NULL,
    name            text NOT NULL,
    state           text NOT NULL CHECK (state IN ('draft', 'scheduled', 'running', 'paused', 'cancelled', 'done')),
    segment         jsonb NOT NULL,
    variants        jsonb NOT NULL,            -- subjects and their shares in percent
    body            text NOT NULL,
    starts_at       timestamptz,               -- null: when somebody starts it
    started_at      timestamptz,
    finished_at     timestamptz,
    reason          text NOT NULL DEFAULT '',  -- why it was paused or cancelled
    snapshot        boolean NOT NULL DEFAULT false, -- its recipients stand in campaign_recipient
    planned_to      uuid,                      -- recipients from the highest id down to this one are planned
    planned         boolean NOT NULL DEFAULT false, -- all of them are
    request_key     text NOT NULL,             -- Idempotency-Key
    request_hash    bytea NOT NULL,
    created_at      timestamptz NOT NULL,
    UNIQUE (account_id, request_key)
);
CREATE INDEX campaign_event ON notifier.campaign (event_id, created_at);
CREATE INDEX campaign_active ON notifier.campaign (organization_id) WHERE state IN ('scheduled', 'running');

-- Who matched when the campaign started.
CREATE TABLE notifier.campaign_recipient (
    campaign_id uuid NOT NULL REFERENCES notifier.campaign ON DELETE CASCADE,
    rsvp_id     uuid NOT NULL,
    variant     smallint,                      -- null: not planned (yet)
    skipped     text NOT NULL DEFAULT '',      -- why it never will be
    opened_at   timestamptz,
    clicked_at  timestamptz,
    PRIMARY KEY (campaign_id, rsvp_id)
);

-- Organizations with held mail, and when there may be room for some of it. Its row is the lock of who releases.
CREATE TABLE notifier.bulk (
    organization_id uuid PRIMARY KEY,
    check_at        timestamptz NOT NULL
);

CREATE TABLE notifier.wording (
    event_id   uuid NOT NULL,
    kind       text NOT NULL,
    locale     text NOT NULL,
    subject    text NOT NULL,                  -- empty, like the others: the built-in one
    intro      text NOT NULL,
    body       text NOT NULL,
    account_id uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, kind, locale)
);

-- Test mails of the last hour, for their limit.
CREATE TABLE notifier.test_mail (
    account_id uuid NOT NULL,
    sent_at    timestamptz NOT NULL
);
CREATE INDEX test_mail_account ON notifier.test_mail (account_id, sent_at);
