-- Why: pictures of events, kept by their content, and the way from an address
-- to every answer it gave (a guest's own history, export and erasure).
-- Locks: SHARE on rsvp while the index is built: answers wait. Back: down; the
-- pictures are lost.

CREATE TABLE event_cover (
    event_id     uuid NOT NULL,
    sha256       bytea NOT NULL,
    content_type text NOT NULL,
    body         bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (event_id, sha256)
);
ALTER TABLE event_cover ALTER COLUMN body SET STORAGE EXTERNAL; -- compressed already

-- hash: only equality is asked for, and an entry is 4 bytes of hash instead of
-- the 33 of the HMAC, on the table that every answer is inserted into.
CREATE INDEX rsvp_email ON rsvp USING hash (email_hmac);
