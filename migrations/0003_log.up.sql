-- Why: the one log, which is the messages; the outbox that points into it; the
-- answers that idempotency keys get again. Locks: none, all tables are new.
-- Back: down; the messages already published stay on Kafka.

-- Append-only. The primary key is the proof that versions do not repeat.
CREATE TABLE event_log (
    event_id        uuid NOT NULL,
    version         bigint NOT NULL,
    type            text NOT NULL,
    organization_id uuid NOT NULL,
    valid_at        timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL,
    actor           text NOT NULL,
    reason          text NOT NULL DEFAULT '',
    traceparent     text NOT NULL DEFAULT '',
    payload         bytea NOT NULL,
    hash            bytea NOT NULL,
    PRIMARY KEY (event_id, version)
);
ALTER TABLE event_log ALTER COLUMN payload SET STORAGE EXTERNAL; -- ciphertext does not compress

CREATE TABLE organization_log (
    organization_id uuid NOT NULL,
    version         bigint NOT NULL,
    type            text NOT NULL,
    valid_at        timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL,
    actor           text NOT NULL,
    reason          text NOT NULL DEFAULT '',
    traceparent     text NOT NULL DEFAULT '',
    payload         bytea NOT NULL,
    hash            bytea NOT NULL,
    PRIMARY KEY (organization_id, version)
);

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER event_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER organization_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON organization_log
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A row per message that Kafka does not have yet. Written after the lock of
-- the event's (or organization's) row, so that ids follow versions; CACHE 1,
-- so that sessions do not hold ranges.
CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    shard   smallint NOT NULL,                -- hash of subject_id mod 8: one relay worker each
    topic   smallint NOT NULL,                -- 0 registrations (event_log), 1 organizations (organization_log)
    subject_id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);

-- Only answers that succeeded are kept. scope is the event or the route and the
-- actor. Swept after 24 h.
CREATE TABLE idempotency (
    scope        text NOT NULL,
    key          text NOT NULL,
    request_hash bytea NOT NULL,              -- SHA-256 of the request
    status       smallint NOT NULL,
    version      bigint NOT NULL,
    answer       bytea NOT NULL,              -- sealed
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_created ON idempotency USING brin (created_at);
