-- What people do to what hides alerts (0051).

-- Hide an alert, its cause, or its whole rule: p_kind shelved (until p_until) or out_of_service; p_scope alert, cause,
-- rule. A shelf of the same extent is replaced. outcome: done; unknown; changed (did, who, since); refused: the alert
-- alone can't be hidden, as it is over. body is the alert after it, or as it stands.
CREATE FUNCTION shelf_put(
    p_alert uuid, p_seen bigint, p_kind text, p_scope text, p_until timestamptz, p_why text, p_actor jsonb,
    OUT outcome text, OUT seq bigint, OUT body jsonb, OUT did text, OUT who text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held alert;
    made shelf;
    one uuid;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;  -- before the counter of alerts: raising one never waits for the trail
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    SELECT * INTO held FROM alert WHERE id = p_alert;
    body := held.body;
    seq := held.seq;
    IF held.id IS NULL THEN
        outcome := 'unknown';
        RETURN;
    ELSIF held.seq <> p_seen THEN
        outcome := 'changed';
        SELECT newest.kind, newest.actor, newest.at INTO did, who, since FROM alert_history AS newest
         WHERE newest.seq = held.seq;
        RETURN;
    ELSIF p_scope = 'alert' AND held.cleared_at IS NOT NULL THEN
        outcome := 'refused';
        RETURN;
    END IF;
    made.group_key := CASE WHEN p_scope <> 'rule' THEN held.group_key END;
    made.alert_id := CASE WHEN p_scope = 'alert' THEN held.id END;
    UPDATE shelf SET ended_at = clock_timestamp(), ended_by = p_actor ->> 'name'
     WHERE ended_at IS NULL AND kind = p_kind AND rule = held.rule AND sector = held.sector
       AND group_key IS NOT DISTINCT FROM made.group_key AND alert_id IS NOT DISTINCT FROM made.alert_id;
    INSERT INTO shelf (kind, sector, rule, group_key, alert_id, zone, why, made_by, until)
    VALUES (p_kind, held.sector, held.rule, made.group_key, made.alert_id,
            CASE WHEN p_scope <> 'rule' THEN held.zone END, p_why, p_actor ->> 'name', p_until)
    RETURNING * INTO made;
    FOR one IN SELECT alert.id FROM alert WHERE cleared_at IS NULL AND rule = held.rule
    LOOP
        PERFORM alert_settle(one, p_actor ->> 'name',
                             jsonb_build_object('why', p_why, 'until', rfc3339(p_until), 'scope', p_scope));
    END LOOP;
    SELECT alert.seq, alert.body INTO seq, body FROM alert WHERE id = p_alert;
    PERFORM audit_append(
        p_actor, CASE p_kind WHEN 'shelved' THEN 'alert.shelve' ELSE 'alert.take_out_of_service' END, 'shelf ' || made.id,
        jsonb_build_object('state', held.state, 'alert', held.id), to_jsonb(made) || jsonb_build_object('seq', seq));
    PERFORM pg_notify('citywatch_alerts', '');
    outcome := 'done';
END $$;

-- End a shelf, or bring back into service. outcome: done; unknown; over (it ended at since, by who, or by itself).
CREATE FUNCTION shelf_end(
    p_id uuid, p_actor jsonb, OUT outcome text, OUT who text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held shelf;
    one uuid;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    SELECT * INTO held FROM shelf WHERE id = p_id;
    IF held.id IS NULL THEN
        outcome := 'unknown';
        RETURN;
    ELSIF held.ended_at IS NOT NULL OR held.until <= clock_timestamp() THEN
        outcome := 'over';
        who := held.ended_by;
        since := coalesce(held.ended_at, held.until);
        RETURN;
    END IF;
    UPDATE shelf SET ended_at = clock_timestamp(), ended_by = p_actor ->> 'name' WHERE id = p_id;
    FOR one IN SELECT alert.id FROM alert WHERE cleared_at IS NULL AND rule = held.rule
    LOOP
        PERFORM alert_settle(one, p_actor ->> 'name');
    END LOOP;
    PERFORM audit_append(
        p_actor, CASE held.kind WHEN 'shelved' THEN 'alert.unshelve' ELSE 'alert.return_to_service' END,
        'shelf ' || p_id, to_jsonb(held), NULL);
    PERFORM pg_notify('citywatch_alerts', '');
    outcome := 'done';
END $$;

-- Announce a maintenance window; what it hides from now on is hidden at once. The window's row.
CREATE FUNCTION maintenance_put(p_window jsonb, p_actor jsonb) RETURNS maintenance
    LANGUAGE plpgsql AS $$
DECLARE
    made maintenance;
    one uuid;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    made := jsonb_populate_record(NULL::maintenance, p_window);
    INSERT INTO maintenance (sectors, zones, rules, assets, starts_at, until, why, made_by)
    VALUES (made.sectors, made.zones, made.rules, made.assets, made.starts_at, made.until, made.why,
            p_actor ->> 'name')
    RETURNING * INTO made;
    FOR one IN SELECT alert.id FROM alert WHERE cleared_at IS NULL
                  AND maintenance_takes(made, alert.sector, alert.rule, alert.zone, alert.asset)
    LOOP
        PERFORM alert_settle(one, p_actor ->> 'name');
    END LOOP;
    PERFORM audit_append(p_actor, 'maintenance.announce', 'maintenance ' || made.id, NULL, to_jsonb(made));
    PERFORM pg_notify('citywatch_alerts', '');
    RETURN made;
END $$;

-- End a window before its time. outcome: done; unknown; over (it ended at since, by who, or by itself).
CREATE FUNCTION maintenance_end(
    p_id uuid, p_actor jsonb, OUT outcome text, OUT who text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held maintenance;
    one uuid;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    SELECT * INTO held FROM maintenance WHERE id = p_id;
    IF held.id IS NULL THEN
        outcome := 'unknown';
        RETURN;
    ELSIF held.ended_at IS NOT NULL OR held.until <= clock_timestamp() THEN
        outcome := 'over';
        who := held.ended_by;
        since := coalesce(held.ended_at, held.until);
        RETURN;
    END IF;
    UPDATE maintenance SET ended_at = clock_timestamp(), ended_by = p_actor ->> 'name' WHERE id = p_id;
    FOR one IN SELECT alert.id FROM alert WHERE cleared_at IS NULL AND body #>> '{hidden,id}' = p_id::text
    LOOP
        PERFORM alert_settle(one, p_actor ->> 'name');
    END LOOP;
    PERFORM audit_append(p_actor, 'maintenance.end', 'maintenance ' || p_id, to_jsonb(held), NULL);
    PERFORM pg_notify('citywatch_alerts', '');
    outcome := 'done';
END $$;
