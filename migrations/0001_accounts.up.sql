-- Why: who signs in, which organization they belong to, and the keys that
-- their tokens are signed with. Locks: none, all tables are new. Back: down.

CREATE TABLE account (
    id            uuid PRIMARY KEY,
    email_hmac    bytea NOT NULL UNIQUE,      -- identity of the address; the address itself is in sealed
    sealed        bytea NOT NULL,             -- name and address, AES-256-GCM under account_key
    password_hash text  NOT NULL,             -- argon2id, PHC string
    created_at    timestamptz NOT NULL
);

-- Apart from account, so that erasing is the deletion of one row.
CREATE TABLE account_key (
    account_id uuid PRIMARY KEY REFERENCES account,
    wrapped    bytea NOT NULL
);

CREATE TABLE organization (
    id          uuid PRIMARY KEY,
    slug        text NOT NULL UNIQUE,
    body        jsonb NOT NULL,               -- contract.Organization without members
    version     bigint NOT NULL,
    chain       bytea NOT NULL,               -- head of its hash chain
    recorded_at timestamptz NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE member (
    organization_id uuid NOT NULL REFERENCES organization,
    account_id      uuid NOT NULL REFERENCES account,
    role            text NOT NULL CHECK (role IN ('owner', 'editor', 'door', 'analyst')),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, account_id)
);
CREATE INDEX member_account ON member (account_id);

-- A family is one sign-in. A token is used once; using it again kills the family.
CREATE TABLE refresh_token (
    token_hash bytea PRIMARY KEY,             -- SHA-256 of the token
    family     uuid NOT NULL,
    account_id uuid NOT NULL REFERENCES account,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_token_family ON refresh_token (family);
CREATE INDEX refresh_token_expires ON refresh_token (expires_at);

CREATE TABLE signing_key (
    kid        text PRIMARY KEY,
    wrapped    bytea NOT NULL,                -- PKCS #8, wrapped by the environment's key
    created_at timestamptz NOT NULL,
    retired_at timestamptz                    -- still verifies, no longer signs
);
