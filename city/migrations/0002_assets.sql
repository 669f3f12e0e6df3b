-- Who measures, and what. Rows are allocated in a transaction of their own, before the readings that name them.

CREATE TABLE asset (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sector           text NOT NULL,
    name             text NOT NULL,
    zone             text,
    zone_approximate boolean NOT NULL DEFAULT false,
    lon              double precision,
    lat              double precision,
    first_seen       timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen        timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (sector, name)
);

CREATE TABLE series (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset_id bigint NOT NULL REFERENCES asset (id),
    metric   text NOT NULL,
    unit     text NOT NULL,
    UNIQUE (asset_id, metric)
);
