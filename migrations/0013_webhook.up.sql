-- Why: organizers' own systems hear what happens to their events; and what was
-- given up is found without a scan.
-- Locks: SHARE on notifier.notification while the index is built, which stops
-- writes to it; the table is small on every installation there is. Back: down.
CREATE INDEX notification_dead ON notifier.notification (finished_at) WHERE state = 'dead';

CREATE TABLE notifier.webhook (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    url             text NOT NULL,
    secret          bytea NOT NULL,           -- 32 bytes, wrapped by the environment's key
    old_secret      bytea,                    -- signs too until old_until: a rotation has an overlap
    old_until       timestamptz,
    created_by      uuid NOT NULL,
    created_at      timestamptz NOT NULL,
    disabled_at     timestamptz,
    disabled_reason text NOT NULL DEFAULT ''
);
CREATE INDEX webhook_organization ON notifier.webhook (organization_id);

CREATE TABLE notifier.webhook_delivery (
    id          uuid PRIMARY KEY,
    webhook_id  uuid NOT NULL REFERENCES notifier.webhook ON DELETE CASCADE,
    event_id    uuid NOT NULL,
    version     bigint NOT NULL,              -- the sequence within the event
    type        text NOT NULL,
    body        bytea NOT NULL,               -- what is signed and posted; nothing in it is personal
    state       text NOT NULL CHECK (state IN ('planned', 'claimed', 'sent', 'failed', 'dead', 'void')),
    attempts    smallint NOT NULL DEFAULT 0,
    planned_at  timestamptz NOT NULL,
    next_at     timestamptz NOT NULL,
    fence       bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    outcome     text NOT NULL DEFAULT '',
    finished_at timestamptz,
    UNIQUE (webhook_id, event_id, version)
);
CREATE INDEX webhook_delivery_due ON notifier.webhook_delivery (next_at) WHERE state IN ('planned', 'failed');
CREATE INDEX webhook_delivery_lease ON notifier.webhook_delivery (lease_until) WHERE state = 'claimed';
CREATE INDEX webhook_delivery_list ON notifier.webhook_delivery (webhook_id, planned_at);
