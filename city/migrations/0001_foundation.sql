-- What every room needs: the identity of this database, leases, the audit trail, and times as integers.

CREATE TABLE city_state (
    key   text PRIMARY KEY,
    value jsonb NOT NULL
);

-- The epoch names this database: a client that has seen another one starts anew.
INSERT INTO city_state (key, value) VALUES ('epoch', to_jsonb(gen_random_uuid()::text));

CREATE TABLE lease (
    name       text PRIMARY KEY,
    owner      text NOT NULL,
    epoch      bigint NOT NULL CHECK (epoch > 0),
    expires_at timestamptz NOT NULL
);

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON audit (at);

-- Microseconds since 1970-01-01T00:00:00Z, exact in both directions.
CREATE FUNCTION from_us(us bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN timestamptz '1970-01-01 00:00:00+00' + us * interval '1 microsecond';

CREATE FUNCTION to_us(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (extract(epoch FROM at) * 1000000)::bigint;
