-- Something that happened, told by a system or a person; (source, subject) is its identity, a newer time updates it.

CREATE TABLE report (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sector      text NOT NULL,
    source      text NOT NULL,
    subject     text NOT NULL,
    time        timestamptz NOT NULL,
    first_time  timestamptz NOT NULL,
    zone        text,
    lon         double precision,
    lat         double precision,
    category    text NOT NULL,
    severity    text NOT NULL,
    title       text NOT NULL,
    description text NOT NULL,
    status      text NOT NULL CHECK (status IN ('open', 'closed')),
    UNIQUE (source, subject)
);
CREATE INDEX report_time ON report (time DESC);
CREATE INDEX report_first_time ON report (first_time);
CREATE INDEX report_zone ON report (zone, time DESC);
