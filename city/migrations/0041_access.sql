-- Who may come in: people's accounts and sessions, keys of sector systems, paired screens. Secrets are kept as hashes.

CREATE TABLE account (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name         text NOT NULL,
    folded_name  text NOT NULL UNIQUE,
    role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'supervisor', 'admin')),
    sectors      text[] NOT NULL DEFAULT '{}',
    zones        text[] NOT NULL DEFAULT '{}',
    password     text,
    must_change  boolean NOT NULL DEFAULT false,
    issuer       text,
    subject      text,
    failures     int NOT NULL DEFAULT 0,
    locked_until timestamptz,
    disabled_at  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    signed_in_at timestamptz,
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL))
);

CREATE TABLE session (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    id         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    account    uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    address    text,
    agent      text
);
CREATE INDEX session_account ON session (account);

CREATE TABLE api_key (
    id             text PRIMARY KEY,
    name           text NOT NULL,
    sectors        text[] NOT NULL,
    grants         text[] NOT NULL CHECK (grants <@ ARRAY['publish', 'read'] AND cardinality(grants) > 0),
    hash           bytea NOT NULL CHECK (octet_length(hash) = 32),
    previous_hash  bytea CHECK (octet_length(previous_hash) = 32),
    previous_until timestamptz,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at     timestamptz,
    revoked_at     timestamptz,
    last_used_at   timestamptz
);

-- hash is NULL between an operator's confirmation and the screen's fetching of its token.
CREATE TABLE device (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL,
    hash       bytea UNIQUE CHECK (octet_length(hash) = 32),
    sectors    text[] NOT NULL DEFAULT '{}',
    zones      text[] NOT NULL DEFAULT '{}',
    paired_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    paired_by  text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    seen_at    timestamptz,
    address    text
);

CREATE TABLE pairing (
    code        text PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    address     text,
    expires_at  timestamptz NOT NULL,
    device      uuid REFERENCES device ON DELETE CASCADE
);

CREATE TABLE device_link (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    id         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    name       text NOT NULL,
    sectors    text[] NOT NULL DEFAULT '{}',
    zones      text[] NOT NULL DEFAULT '{}',
    uses_left  int NOT NULL CHECK (uses_left >= 0),
    made_by    text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- A sign-in at the identity provider that has begun; it is used once.
CREATE TABLE sign_in_state (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    nonce      text NOT NULL,
    verifier   text NOT NULL,
    next_path  text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Moves whenever somebody may do something else than before; whoever caches credentials drops them then. A transaction
-- that changes access locks the row first, so that no two of them wait for each other crosswise.
CREATE TABLE access_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL
);
INSERT INTO access_version (version) VALUES (0);

CREATE FUNCTION access_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_version SET version = version + 1;
    PERFORM pg_notify('citywatch_access', '');
    RETURN NULL;
END $$;

CREATE TRIGGER account_gone AFTER DELETE ON account FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE TRIGGER account_changed AFTER UPDATE ON account FOR EACH ROW
    WHEN ((old.name, old.role, old.sectors, old.zones, old.must_change, old.disabled_at)
          IS DISTINCT FROM (new.name, new.role, new.sectors, new.zones, new.must_change, new.disabled_at))
    EXECUTE FUNCTION access_changed();
CREATE TRIGGER session_gone AFTER DELETE ON session FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE TRIGGER session_changed AFTER UPDATE ON session FOR EACH ROW
    WHEN ((old.hash, old.account, old.expires_at) IS DISTINCT FROM (new.hash, new.account, new.expires_at))
    EXECUTE FUNCTION access_changed();
CREATE TRIGGER api_key_gone AFTER DELETE ON api_key FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE TRIGGER api_key_changed AFTER UPDATE ON api_key FOR EACH ROW
    WHEN ((old.name, old.sectors, old.grants, old.hash, old.previous_hash, old.previous_until, old.expires_at,
           old.revoked_at)
          IS DISTINCT FROM (new.name, new.sectors, new.grants, new.hash, new.previous_hash, new.previous_until,
                            new.expires_at, new.revoked_at))
    EXECUTE FUNCTION access_changed();
CREATE TRIGGER device_gone AFTER DELETE ON device FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE TRIGGER device_changed AFTER UPDATE ON device FOR EACH ROW
    WHEN ((old.name, old.sectors, old.zones, old.hash, old.expires_at, old.revoked_at)
          IS DISTINCT FROM (new.name, new.sectors, new.zones, new.hash, new.expires_at, new.revoked_at))
    EXECUTE FUNCTION access_changed();
