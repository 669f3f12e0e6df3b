-- A new alert, as of 0022 and since the life of alerts (0050): hidden from the start if something hides it; what could is
-- looked for first, as there is seldom any. raised_at is the readings' own time, so that a replay gives the same alert;
-- recorded_at is when the raising was committed, by this clock.
CREATE OR REPLACE FUNCTION alert_raise(p_event timestamptz, p_body jsonb) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    fresh alert;
    hiding text;
    hidden jsonb;
    next_seq bigint;
    moment timestamptz;
    older uuid;
    first_state text;
BEGIN
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    IF EXISTS (SELECT FROM alert WHERE id = (p_body ->> 'id')::uuid)
       OR EXISTS (SELECT FROM alert WHERE rule = p_body ->> 'rule' AND group_key = p_body ->> 'group'
                                      AND cleared_at IS NULL)
    THEN
        RETURN NULL;
    END IF;
    FOR older IN SELECT id FROM alert WHERE sector = p_body ->> 'sector' AND state = 'returned_unacknowledged'
                    AND rule = p_body ->> 'rule' AND group_key = p_body ->> 'group'
    LOOP
        PERFORM alert_move(older, 'superseded', p_event, NULL, '{}');
    END LOOP;
    IF EXISTS (SELECT FROM shelf WHERE ended_at IS NULL AND rule = p_body ->> 'rule')
       OR EXISTS (SELECT FROM maintenance WHERE ended_at IS NULL AND until > clock_timestamp())
    THEN
        SELECT * INTO hiding, hidden
          FROM hiding_of((p_body ->> 'id')::uuid, p_body ->> 'sector', p_body ->> 'rule',
                         p_body ->> 'group', p_body ->> 'zone', p_body ->> 'asset');
    END IF;
    first_state := alert_next_state('normal', 'raised', p_body ->> 'severity', NULL, hiding);
    UPDATE alert_sequence SET seq = alert_sequence.seq + 1 RETURNING seq INTO next_seq;
    moment := clock_timestamp();
    INSERT INTO alert (id, rule, rule_version, group_key, sector, asset, zone, severity, state, beneath, body,
                       raised_at, updated_at, seq)
    VALUES ((p_body ->> 'id')::uuid, p_body ->> 'rule', (p_body ->> 'rule_version')::int, p_body ->> 'group',
            p_body ->> 'sector', p_body ->> 'asset', p_body ->> 'zone', p_body ->> 'severity', first_state,
            CASE WHEN hiding IS NOT NULL THEN 'unacknowledged' END,
            alert_untouched() || p_body || jsonb_build_object(
                'state', first_state, 'recorded_at', rfc3339(moment), 'updated_at', rfc3339(moment),
                'seq', next_seq, 'hidden', hidden),
            (p_body ->> 'raised_at')::timestamptz, moment, next_seq)
    RETURNING * INTO fresh;
    RETURN alert_record(fresh, 'raised', p_event, NULL, NULL);
END $$;
