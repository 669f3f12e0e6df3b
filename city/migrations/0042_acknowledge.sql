-- Acknowledging names who did it, and from where, and stands in the audit trail.

DROP FUNCTION alert_acknowledge(uuid, text);

-- A person has seen an alert. p_actor: {"kind", "id", "name", "address"}; the audit trail gets its row with the act.
-- outcome: done; unknown; refused (body tells by whom and when, or that it is normal).
CREATE FUNCTION alert_acknowledge(p_id uuid, p_actor jsonb, OUT outcome text, OUT seq bigint, OUT body jsonb)
    LANGUAGE plpgsql AS $$
DECLARE
    was text;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;  -- before the counter of alerts: raising one never waits for the trail
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    SELECT alert.state INTO was FROM alert WHERE id = p_id;
    seq := alert_move(p_id, 'acknowledged', clock_timestamp(), p_actor ->> 'name', '{}');
    SELECT alert.body INTO body FROM alert WHERE id = p_id;
    outcome := CASE WHEN seq IS NOT NULL THEN 'done' WHEN body IS NULL THEN 'unknown' ELSE 'refused' END;
    IF outcome = 'done' THEN
        PERFORM audit_append(
            p_actor, 'alert.acknowledge', 'alert ' || p_id, jsonb_build_object('state', was),
            jsonb_build_object('state', body ->> 'state', 'seq', seq, 'rule', body ->> 'rule', 'group', body ->> 'group'));
        PERFORM pg_notify('citywatch_alerts', '');
    END IF;
END $$;
