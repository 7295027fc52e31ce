-- Why: notices reach guests' devices (web push) and members' own mail (a daily digest, "your event is full").
-- A subscription is sealed with its RSVP's data key, like all that says who a guest is. Members' names and addresses
-- come sealed with the organization's messages, under their accounts' keys; until now they were dropped here, so those
-- of organizations that are known already are taken from the write store once: their messages do not come again.
-- Locks: notification and guest against reads and writes for an instant (columns without a value to write); the index on
-- guest is empty. Back: down.

CREATE TABLE notifier.push_subscription (
    id         uuid PRIMARY KEY,     -- derived from RSVP and endpoint: the same device again is the same row
    rsvp_id    uuid NOT NULL,
    event_id   uuid NOT NULL,
    epoch      integer NOT NULL,     -- of the manage token that it was made with: a revoked one gets nothing
    kinds      text[] NOT NULL,      -- what the guest wants on this device
    sealed     bytea NOT NULL,       -- endpoint and keys
    created_at timestamptz NOT NULL
);
CREATE INDEX push_subscription_guest ON notifier.push_subscription (rsvp_id);
CREATE INDEX push_subscription_event ON notifier.push_subscription (event_id);

CREATE TABLE notifier.member (
    organization_id uuid NOT NULL,
    account_id      uuid NOT NULL,
    role            text NOT NULL,
    sealed          bytea NOT NULL,  -- contract.MemberPersonal under the account's key
    PRIMARY KEY (organization_id, account_id)
);
INSERT INTO notifier.member (organization_id, account_id, role, sealed)
SELECT m.organization_id, m.account_id, m.role, a.sealed
FROM notifier.organization o JOIN member m ON m.organization_id = o.id JOIN account a ON a.id = m.account_id;

-- Apart from member, which every message about the organization sets anew.
CREATE TABLE notifier.member_choice (
    organization_id uuid NOT NULL,
    account_id      uuid NOT NULL,
    digest          boolean NOT NULL,
    event_full      boolean NOT NULL,
    locale          text NOT NULL,
    PRIMARY KEY (organization_id, account_id)
);

-- A notice is for the guest of an RSVP or for a member.
ALTER TABLE notifier.notification ADD COLUMN account_id uuid, ALTER COLUMN rsvp_id DROP NOT NULL,
    ADD CONSTRAINT notification_for_one CHECK ((rsvp_id IS NULL) <> (account_id IS NULL)) NOT VALID;

ALTER TABLE notifier.event
    ADD COLUMN going      integer NOT NULL DEFAULT 0, -- people, like held and waitlisted
    ADD COLUMN held       integer NOT NULL DEFAULT 0,
    ADD COLUMN waitlisted integer NOT NULL DEFAULT 0,
    ADD COLUMN is_full    boolean NOT NULL DEFAULT false,
    ADD COLUMN fillings   integer NOT NULL DEFAULT 0, -- how often members were told that it is full
    ADD COLUMN open_since timestamptz,                -- when it was full last
    ADD COLUMN digest_at  timestamptz;                -- of the last digest that was planned for its sake

-- The digest that tells of the guest's last change.
ALTER TABLE notifier.guest ADD COLUMN digest_at timestamptz;
CREATE INDEX guest_digest ON notifier.guest (organization_id, digest_at) WHERE digest_at IS NOT NULL;
