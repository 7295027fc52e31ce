-- Why: a unique index that refuses a row writes its value, an address's hash or a client's key, into the server's log,
-- where no erasure reaches it. These functions refuse the same without a word of it. They replace a look for both before
-- they are inserted, which read the same indices once more.
-- Locks: none. Back: down; a command role of this release must not run then. One of the last release needs none of it.

-- New RSVPs of one event, each column an array, and with write_rsvp one of them.
CREATE FUNCTION write_rsvps(uuid, uuid[], bytea[], text[], text[], int[], bigint[], timestamptz[], timestamptz[], int[], int[],
    bytea[], jsonb[], timestamptz[], timestamptz[], bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rsvp (id, event_id, email_hmac, status, response, party_size, queued_version, offer_expires_at,
        pending_expires_at, checked_in, epoch, sealed, body, created_at, updated_at, version)
    SELECT r.id, $1, r.email_hmac, r.status, r.response, r.party_size, r.queued_version, r.offer_expires_at,
        r.pending_expires_at, r.checked_in, r.epoch, r.sealed, r.body, r.created_at, r.updated_at, r.version
    FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        AS r(id, email_hmac, status, response, party_size, queued_version, offer_expires_at, pending_expires_at, checked_in,
            epoch, sealed, body, created_at, updated_at, version);
EXCEPTION WHEN unique_violation THEN
    RAISE unique_violation USING MESSAGE = 'an RSVP with this id or address is there already';
END $$;

CREATE FUNCTION write_rsvp(uuid, uuid, bytea, text, text, int, bigint, timestamptz, timestamptz, int, int,
    bytea, jsonb, timestamptz, timestamptz, bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rsvp (id, event_id, email_hmac, status, response, party_size, queued_version, offer_expires_at,
        pending_expires_at, checked_in, epoch, sealed, body, created_at, updated_at, version)
    VALUES ($2, $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);
EXCEPTION WHEN unique_violation THEN
    RAISE unique_violation USING MESSAGE = 'an RSVP with this id or address is there already';
END $$;

-- Answers that keys get again; the same.
CREATE FUNCTION write_answers(text[], text[], bytea[], smallint[], bigint[], bytea[], timestamptz[])
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO idempotency (scope, key, request_hash, status, version, answer, created_at)
    SELECT a.scope, a.key, a.request_hash, a.status, a.version, a.answer, a.created_at
    FROM unnest($1, $2, $3, $4, $5, $6, $7) AS a(scope, key, request_hash, status, version, answer, created_at);
EXCEPTION WHEN unique_violation THEN
    RAISE unique_violation USING MESSAGE = 'a key has an answer already';
END $$;

CREATE FUNCTION write_answer(text, text, bytea, smallint, bigint, bytea, timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO idempotency (scope, key, request_hash, status, version, answer, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7);
EXCEPTION WHEN unique_violation THEN
    RAISE unique_violation USING MESSAGE = 'a key has an answer already';
END $$;
