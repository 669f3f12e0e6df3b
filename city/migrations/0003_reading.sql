-- A reading's identity is (series, time): the first wins, another value for it is kept in `conflict`.

CREATE TABLE reading (
    time      timestamptz NOT NULL,
    series_id integer NOT NULL,
    value     double precision NOT NULL
);

CREATE UNIQUE INDEX reading_series_time ON reading (series_id, time);

CREATE TABLE conflict (
    series_id integer NOT NULL,
    time      timestamptz NOT NULL,
    kept      double precision NOT NULL,
    refused   double precision NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX conflict_series_time ON conflict (series_id, time);
CREATE INDEX conflict_at ON conflict (at);
