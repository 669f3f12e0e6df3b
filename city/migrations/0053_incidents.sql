-- Incidents: alerts and reports that probably have one cause. A follower of the alert history groups them, beside the
-- path on which alerts are raised; its place in the history moves in the transaction that writes what it found.

CREATE TABLE incident (
    id        uuid PRIMARY KEY,
    state     text NOT NULL CHECK (state IN ('open', 'closed')),
    first_out uuid NOT NULL,
    severity  text NOT NULL,
    sectors   text[] NOT NULL,
    zones     text[] NOT NULL,
    opened_at timestamptz NOT NULL,
    newest_at timestamptz NOT NULL,
    closed_at timestamptz,
    reopened  int NOT NULL DEFAULT 0,
    seq       bigint NOT NULL,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE INDEX incident_open ON incident (newest_at) WHERE state = 'open';
CREATE INDEX incident_closed_at ON incident (closed_at);
CREATE INDEX incident_opened_at ON incident (opened_at DESC, id DESC);

CREATE TABLE incident_member (
    incident  uuid NOT NULL REFERENCES incident,
    alert_id  uuid UNIQUE,
    report_id bigint UNIQUE,
    joined_at timestamptz NOT NULL,
    lasts     boolean NOT NULL,
    CHECK ((alert_id IS NULL) <> (report_id IS NULL))
);
CREATE INDEX incident_member_incident ON incident_member (incident, joined_at);

CREATE TABLE incident_place (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq      bigint NOT NULL
);
INSERT INTO incident_place (seq) SELECT seq FROM alert_sequence;

-- Floods of alarms: more than ten in ten minutes until fewer than five. At most one lasts.
CREATE TABLE alarm_flood (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    peak     int NOT NULL
);
CREATE UNIQUE INDEX alarm_flood_lasting ON alarm_flood ((ended_at IS NULL)) WHERE ended_at IS NULL;

-- Whether it is a flood by now, from the alarms of the last ten minutes; what changed: began, ended or NULL.
CREATE FUNCTION alarm_flood_step() RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    recent int;
    lasting bigint;
BEGIN
    SELECT count(*) INTO recent FROM alert_history
     WHERE kind = 'raised' AND at > clock_timestamp() - interval '10 minutes'
       AND body ->> 'severity' <> 'info' AND body ->> 'state' = 'unacknowledged';
    SELECT number INTO lasting FROM alarm_flood WHERE ended_at IS NULL FOR UPDATE;
    IF lasting IS NULL AND recent > 10 THEN
        INSERT INTO alarm_flood (began_at, peak) VALUES (clock_timestamp(), recent) ON CONFLICT DO NOTHING;
        RETURN 'began';
    ELSIF lasting IS NOT NULL AND recent < 5 THEN
        UPDATE alarm_flood SET ended_at = clock_timestamp() WHERE number = lasting;
        RETURN 'ended';
    END IF;
    UPDATE alarm_flood SET peak = recent WHERE number = lasting AND peak < recent;
    RETURN NULL;
END $$;
