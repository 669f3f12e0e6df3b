-- The audit trail as a chain: a row's hash covers the row and the hash of the row before it, so that what is edited,
-- removed, swapped or cut off is seen (`citywatch audit verify`). Rows are only ever appended, in the act's transaction.

ALTER TABLE audit RENAME TO audit_before;
ALTER TABLE audit_before RENAME CONSTRAINT audit_pkey TO audit_before_pkey;

CREATE TABLE audit (
    seq        bigint PRIMARY KEY CHECK (seq > 0),
    at         timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id   text NOT NULL,
    actor      text NOT NULL,
    address    text,
    action     text NOT NULL,
    object     text NOT NULL,
    before     jsonb,
    after      jsonb,
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_at_seq ON audit (at, seq);
CREATE INDEX audit_object ON audit (object, seq);

-- The newest row's number and hash. Its lock puts all writers in order until they commit, so append last; an act that
-- also holds a lock which others wait for takes this one before it (alert_acknowledge).
CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq      bigint NOT NULL,
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32)
);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- A text with its length in bytes before it, so that no two rows of fields join to the same text; '-' for NULL.
CREATE FUNCTION netstring(field text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(octet_length(field) || ':' || field, '-') || ',';

-- access/audit.py computes the same from what it reads.
CREATE FUNCTION audit_hash(previous bytea, entry audit) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN sha256(previous || convert_to(
        netstring((entry).seq::text) || netstring(to_us((entry).at)::text) || netstring((entry).actor_kind)
        || netstring((entry).actor_id) || netstring((entry).actor) || netstring((entry).address)
        || netstring((entry).action) || netstring((entry).object) || netstring((entry).before::text)
        || netstring((entry).after::text), 'UTF8'));

-- p_actor: {"kind", "id", "name", "address"}. Returns the row's number; without a head nothing can be done at all.
CREATE FUNCTION audit_append(
    p_actor jsonb, p_action text, p_object text, p_before jsonb, p_after jsonb,
    p_at timestamptz DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    entry audit;
    previous bytea;
BEGIN
    SELECT head.seq + 1, head.hash INTO STRICT entry.seq, previous FROM audit_head AS head FOR UPDATE;
    entry.at := coalesce(p_at, clock_timestamp());
    entry.actor_kind := p_actor ->> 'kind';
    entry.actor_id := p_actor ->> 'id';
    entry.actor := p_actor ->> 'name';
    entry.address := p_actor ->> 'address';
    entry.action := p_action;
    entry.object := p_object;
    entry.before := p_before;
    entry.after := p_after;
    entry.hash := audit_hash(previous, entry);
    INSERT INTO audit SELECT entry.*;
    UPDATE audit_head SET seq = entry.seq, hash = entry.hash;
    RETURN entry.seq;
END $$;

CREATE FUNCTION audit_refuse() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only appended to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

SELECT audit_append(
    jsonb_build_object('kind', 'local', 'id', kept.actor, 'name', kept.actor),
    CASE kept.action WHEN 'accept expired' THEN 'ledger.accept' ELSE kept.action END,
    kept.subject, NULL, kept.detail, kept.at)
  FROM (SELECT * FROM audit_before ORDER BY id) AS kept;
DROP TABLE audit_before;
