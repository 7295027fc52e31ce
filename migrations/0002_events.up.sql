-- Why: events, the row that everything about an event locks, and RSVPs.
-- Locks: none, all tables are new. Back: down.

CREATE TABLE event (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    slug            text NOT NULL UNIQUE,
    external_id     text,                     -- the organizer's own id
    series_id       uuid,
    status          text NOT NULL CHECK (status IN ('draft', 'published', 'cancelled')),
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL CHECK (ends_at > starts_at),
    retain_until    timestamptz NOT NULL,     -- answers are erased after this
    body            jsonb NOT NULL,           -- contract.Event
    created_at      timestamptz NOT NULL,
    UNIQUE (organization_id, external_id)
);
CREATE INDEX event_organization ON event (organization_id, starts_at);
CREATE INDEX event_series ON event (series_id) WHERE series_id IS NOT NULL;
CREATE INDEX event_retention ON event (retain_until);

-- The narrow row whose lock orders everything about an event. No index but the
-- key, so that updates stay HOT; half-empty pages, so that they stay in place.
CREATE TABLE event_counter (
    event_id    uuid PRIMARY KEY REFERENCES event,
    capacity    integer CHECK (capacity >= 0),
    going       integer NOT NULL DEFAULT 0 CHECK (going >= 0),
    maybe       integer NOT NULL DEFAULT 0 CHECK (maybe >= 0),
    waitlisted  integer NOT NULL DEFAULT 0 CHECK (waitlisted >= 0),
    held        integer NOT NULL DEFAULT 0 CHECK (held >= 0),
    checked_in  integer NOT NULL DEFAULT 0 CHECK (checked_in >= 0),
    version     bigint  NOT NULL DEFAULT 0,
    revision    bigint  NOT NULL DEFAULT 0,   -- of event.body: a process may keep the body it has while this stays
    chain       bytea   NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The last line behind the rules: whatever the code does, nobody is seated
-- beyond the capacity. Lowering the capacity below those who have a seat, and
-- leaving, stay possible.
CREATE FUNCTION event_counter_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.going + NEW.held > NEW.capacity AND NEW.going + NEW.held > OLD.going + OLD.held THEN
        RAISE EXCEPTION 'event % is full: % going and % held exceed %',
            NEW.event_id, NEW.going, NEW.held, NEW.capacity
            USING ERRCODE = 'check_violation', CONSTRAINT = 'event_counter_capacity';
    END IF;
    IF NEW.version < OLD.version THEN
        RAISE EXCEPTION 'event % would go back from version % to %', NEW.event_id, OLD.version, NEW.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'event_counter_version';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_counter_guard BEFORE UPDATE ON event_counter
    FOR EACH ROW EXECUTE FUNCTION event_counter_guard();

-- No foreign key to event: an event is never deleted and every writer holds the
-- lock of its counter row, while the check would lock the event once per RSVP.
CREATE TABLE rsvp (
    id                 uuid PRIMARY KEY,
    event_id           uuid NOT NULL,
    email_hmac         bytea,                 -- null once erased
    status             text NOT NULL,
    response           text NOT NULL,
    party_size         integer NOT NULL CHECK (party_size BETWEEN 1 AND 1000),
    queued_version     bigint NOT NULL DEFAULT 0,
    offer_expires_at   timestamptz,
    pending_expires_at timestamptz,
    checked_in         integer NOT NULL DEFAULT 0,
    epoch              integer NOT NULL DEFAULT 0,
    sealed             bytea NOT NULL,
    body               jsonb NOT NULL,        -- the rest of contract.RSVP
    version            bigint NOT NULL,       -- of the event, at the RSVP's last message
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    UNIQUE (event_id, email_hmac)
);
CREATE INDEX rsvp_queue ON rsvp (event_id, queued_version) WHERE status = 'waitlisted';
CREATE INDEX rsvp_offer ON rsvp (offer_expires_at) WHERE status = 'offered';
CREATE INDEX rsvp_pending ON rsvp (pending_expires_at) WHERE status = 'pending';

-- The data key of each RSVP. Erasing a guest deletes the row here.
CREATE TABLE rsvp_key (
    rsvp_id uuid PRIMARY KEY,
    wrapped bytea NOT NULL
);
