-- What hides alerts: shelves (until a time, by whom and why), things out of service, maintenance windows. Whether an
-- alert is hidden is decided here, when it is raised and whenever one of these begins or ends.

-- One alert (alert_id), one cause (group_key), or a whole rule (neither). Out of service lasts until somebody ends it.
CREATE TABLE shelf (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind      text NOT NULL CHECK (kind IN ('shelved', 'out_of_service')),
    sector    text NOT NULL,
    rule      text NOT NULL,
    group_key text,
    alert_id  uuid,
    zone      text,
    why       text NOT NULL,
    made_by   text NOT NULL,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    until     timestamptz,
    ended_at  timestamptz,
    ended_by  text,
    CHECK ((until IS NULL) = (kind = 'out_of_service')),
    CHECK (alert_id IS NULL OR group_key IS NOT NULL)
);
CREATE INDEX shelf_rule ON shelf (rule, sector) WHERE ended_at IS NULL;

-- An empty list or NULL: whichever. `assets` is a pattern with * for anything.
CREATE TABLE maintenance (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sectors   text[] NOT NULL DEFAULT '{}',
    zones     text[] NOT NULL DEFAULT '{}',
    rules     text[] NOT NULL DEFAULT '{}',
    assets    text,
    starts_at timestamptz NOT NULL,
    until     timestamptz NOT NULL,
    why       text NOT NULL,
    made_by   text NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at  timestamptz,
    ended_by  text,
    CHECK (until > starts_at),
    CHECK (cardinality(sectors) + cardinality(zones) + cardinality(rules) > 0 OR assets IS NOT NULL)
);
CREATE INDEX maintenance_until ON maintenance (until) WHERE ended_at IS NULL;

CREATE FUNCTION glob_like(pattern text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN replace(replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%');

CREATE FUNCTION maintenance_takes(
    part maintenance, p_sector text, p_rule text, p_zone text, p_asset text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((part).sectors = '{}' OR p_sector = ANY ((part).sectors))
       AND ((part).rules = '{}' OR p_rule = ANY ((part).rules))
       AND ((part).zones = '{}' OR coalesce(p_zone = ANY ((part).zones), false))
       AND ((part).assets IS NULL OR coalesce(p_asset LIKE glob_like((part).assets), false));

CREATE FUNCTION shelf_takes(part shelf, p_id uuid, p_sector text, p_rule text, p_group text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (part).rule = p_rule AND (part).sector = p_sector
       AND ((part).group_key IS NULL OR (part).group_key = p_group)
       AND ((part).alert_id IS NULL OR (part).alert_id = p_id);

CREATE FUNCTION hiding_strength(state text) RETURNS int
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE state WHEN 'shelved' THEN 1 WHEN 'suppressed' THEN 2 WHEN 'out_of_service' THEN 3 ELSE 0 END;

-- What hides an alert at this moment, the strongest of all: its state, and `hidden` of the alert's JSON. No row: nothing.
CREATE FUNCTION hiding_of(p_id uuid, p_sector text, p_rule text, p_group text, p_zone text, p_asset text)
    RETURNS TABLE (state text, hidden jsonb)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT found.state, jsonb_build_object('id', found.id, 'why', found.why, 'by', found.made_by,
                                               'since', rfc3339(found.since), 'until', rfc3339(found.until))
          FROM (
            SELECT shelf.kind AS state, shelf.id, why, made_by, since, until FROM shelf
             WHERE ended_at IS NULL AND rule = p_rule AND sector = p_sector
               AND (until IS NULL OR until > clock_timestamp())
               AND shelf_takes(shelf.*, p_id, p_sector, p_rule, p_group)
             UNION ALL
            SELECT 'suppressed', maintenance.id, why, made_by, starts_at, until FROM maintenance
             WHERE ended_at IS NULL AND until > clock_timestamp() AND starts_at <= clock_timestamp()
               AND maintenance_takes(maintenance.*, p_sector, p_rule, p_zone, p_asset)) AS found
         ORDER BY hiding_strength(found.state) DESC, found.until DESC NULLS FIRST, found.since DESC, found.id
         LIMIT 1;
    END;

-- Bring one open alert to where it belongs by now: into what hides it, out of what hides it no more. NULL: it was there.
CREATE FUNCTION alert_settle(p_id uuid, p_actor text, p_detail jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    held alert;
    hides record;
    kind text;
BEGIN
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    SELECT * INTO held FROM alert WHERE id = p_id AND cleared_at IS NULL;
    IF held.id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO hides FROM hiding_of(held.id, held.sector, held.rule, held.group_key, held.zone, held.asset);
    IF hides.hidden ->> 'id' IS NOT DISTINCT FROM held.body #>> '{hidden,id}' THEN
        RETURN NULL;
    END IF;
    kind := CASE WHEN hiding_strength(hides.state) >= hiding_strength(held.state) THEN
        CASE hides.state WHEN 'out_of_service' THEN 'taken_out_of_service' ELSE hides.state END
    ELSE
        CASE held.state WHEN 'shelved' THEN 'unshelved' WHEN 'suppressed' THEN 'unsuppressed'
                        ELSE 'returned_to_service' END
    END;
    RETURN alert_move(held.id, kind, clock_timestamp(), p_actor, jsonb_build_object('hidden', hides.hidden),
                      coalesce(p_detail, jsonb_build_object('why', hides.hidden ->> 'why',
                                                            'until', hides.hidden ->> 'until')), hides.state);
END $$;

-- What has begun or ended by itself: at most so many alerts brought to where they belong; how many. Without any it
-- takes no lock.
CREATE FUNCTION hiding_settle(p_limit int) RETURNS int
    LANGUAGE plpgsql AS $$
DECLARE
    found uuid;
    moved int := 0;
BEGIN
    FOR found IN
        SELECT alert.id FROM alert
          LEFT JOIN LATERAL hiding_of(alert.id, alert.sector, alert.rule, alert.group_key, alert.zone, alert.asset)
                 AS hides ON true
         WHERE alert.cleared_at IS NULL
           AND (alert.state IN ('shelved', 'suppressed', 'out_of_service')
                OR EXISTS (SELECT FROM shelf WHERE ended_at IS NULL AND (until IS NULL OR until > clock_timestamp()))
                OR EXISTS (SELECT FROM maintenance WHERE ended_at IS NULL AND until > clock_timestamp()
                                                     AND starts_at <= clock_timestamp()))
           AND hides.hidden ->> 'id' IS DISTINCT FROM alert.body #>> '{hidden,id}'
         ORDER BY alert.raised_at, alert.id LIMIT p_limit
    LOOP
        IF alert_settle(found, NULL) IS NOT NULL THEN
            moved := moved + 1;
        END IF;
    END LOOP;
    IF moved > 0 THEN
        PERFORM pg_notify('citywatch_alerts', '');
    END IF;
    RETURN moved;
END $$;
