-- Everything that writes history is one call of one of these functions in autocommit: a client that is paused or killed
-- can't stand between taking a number and committing it.

CREATE FUNCTION rfc3339(at timestamptz) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- The state that a transition leads to, or NULL where it is illegal (alerts/lifecycle.py has the same table).
CREATE FUNCTION alert_next_state(state text, kind text, severity text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE kind
        WHEN 'escalated' THEN CASE WHEN state IN ('unacknowledged', 'acknowledged') THEN 'unacknowledged' END
        WHEN 'eased' THEN CASE WHEN state IN ('unacknowledged', 'acknowledged') THEN state END
        WHEN 'cleared' THEN CASE state
            WHEN 'acknowledged' THEN 'normal'
            WHEN 'unacknowledged' THEN CASE severity WHEN 'info' THEN 'normal' ELSE 'returned_unacknowledged' END
        END
        WHEN 'acknowledged' THEN CASE state
            WHEN 'unacknowledged' THEN 'acknowledged'
            WHEN 'returned_unacknowledged' THEN 'normal'
        END
        WHEN 'superseded' THEN CASE state WHEN 'returned_unacknowledged' THEN 'normal' END
    END;

-- Take the next number and write one row of history; the counter's row lock orders all writers until they commit.
CREATE FUNCTION alert_record(changed alert, kind text, event_time timestamptz, actor text) RETURNS bigint
    LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO alert_history (seq, alert_id, kind, at, event_time, actor, body)
        VALUES ((changed).seq, (changed).id, kind, (changed).updated_at, event_time, actor, (changed).body)
        RETURNING seq;
    END;

-- Move an alert that exists; the number, or NULL if there is no such alert or the transition is illegal.
CREATE FUNCTION alert_move(p_id uuid, p_kind text, p_event timestamptz, p_actor text, p_patch jsonb) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    held alert;
    next_state text;
    next_seq bigint;
    moment timestamptz;
    changes jsonb;
BEGIN
    UPDATE alert_sequence SET seq = alert_sequence.seq + 1 RETURNING seq INTO next_seq;
    SELECT * INTO held FROM alert WHERE id = p_id FOR UPDATE;
    next_state := alert_next_state(held.state, p_kind, coalesce(p_patch ->> 'severity', held.severity));
    IF next_state IS NULL THEN
        UPDATE alert_sequence SET seq = next_seq - 1;
        RETURN NULL;
    END IF;
    moment := clock_timestamp();
    changes := p_patch || jsonb_build_object('state', next_state, 'updated_at', rfc3339(moment));
    CASE p_kind
        WHEN 'cleared' THEN changes := changes || jsonb_build_object('cleared_at', rfc3339(p_event));
        WHEN 'escalated' THEN changes := changes || '{"acknowledged_at": null, "acknowledged_by": null}';
        WHEN 'acknowledged' THEN changes := changes || jsonb_build_object(
            'acknowledged_at', rfc3339(moment), 'acknowledged_by', p_actor);
        ELSE NULL;
    END CASE;
    UPDATE alert
       SET state = next_state,
           severity = coalesce(changes ->> 'severity', severity),
           rule_version = coalesce((changes ->> 'rule_version')::int, rule_version),
           zone = CASE WHEN changes ? 'zone' THEN changes ->> 'zone' ELSE zone END,
           cleared_at = CASE p_kind WHEN 'cleared' THEN p_event ELSE cleared_at END,
           updated_at = moment,
           seq = next_seq,
           body = body || changes
     WHERE id = p_id
    RETURNING * INTO held;
    RETURN alert_record(held, p_kind, p_event, p_actor);
END $$;

-- A new alert; NULL if this very alert exists (a replay) or its cause has an open one. What had returned to normal
-- unseen for the same cause is superseded: its history gets a row of its own first.
CREATE FUNCTION alert_raise(p_event timestamptz, p_body jsonb) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    fresh alert;
    next_seq bigint;
    moment timestamptz;
    older uuid;
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
    UPDATE alert_sequence SET seq = alert_sequence.seq + 1 RETURNING seq INTO next_seq;
    moment := clock_timestamp();
    INSERT INTO alert (id, rule, rule_version, group_key, sector, asset, zone, severity, state, body, raised_at,
                       updated_at, seq)
    VALUES ((p_body ->> 'id')::uuid, p_body ->> 'rule', (p_body ->> 'rule_version')::int, p_body ->> 'group',
            p_body ->> 'sector', p_body ->> 'asset', p_body ->> 'zone', p_body ->> 'severity', 'unacknowledged',
            p_body || jsonb_build_object('state', 'unacknowledged', 'updated_at', rfc3339(moment)),
            (p_body ->> 'raised_at')::timestamptz, moment, next_seq)
    RETURNING * INTO fresh;
    RETURN alert_record(fresh, 'raised', p_event, NULL);
END $$;

-- One step of a sector's engine, or several without transitions before one with: all of it or nothing.
-- outcome: done; known (this epoch committed it before); fenced (another worker owns the sector, nothing written).
-- seqs: a number a transition, NULL for one that changed nothing.
CREATE FUNCTION alerts_commit(
    p_sector text, p_epoch bigint, p_first bigint, p_last bigint, p_journal bytea, p_transitions jsonb,
    OUT outcome text, OUT seqs bigint[])
    LANGUAGE plpgsql AS $$
DECLARE
    held record;
    transition jsonb;
    event timestamptz;
    seq bigint;
BEGIN
    seqs := '{}';
    SELECT epoch, step INTO held FROM alert_owner WHERE sector = p_sector FOR UPDATE;
    IF NOT FOUND OR held.epoch <> p_epoch THEN
        outcome := 'fenced';
        RETURN;
    ELSIF held.step >= p_last THEN
        outcome := 'known';
        RETURN;
    ELSIF held.step + 1 <> p_first THEN
        RAISE EXCEPTION 'sector % is at step %, so step % cannot follow', p_sector, held.step, p_first;
    END IF;
    FOR transition IN SELECT value FROM jsonb_array_elements(p_transitions) LOOP
        event := from_us((transition ->> 'event_us')::bigint);
        IF transition ->> 'kind' = 'raised' THEN
            seq := alert_raise(event, transition -> 'body');
        ELSE
            seq := alert_move((transition ->> 'id')::uuid, transition ->> 'kind', event, NULL, transition -> 'body');
        END IF;
        seqs := seqs || seq;
    END LOOP;
    INSERT INTO engine_journal (sector, step, first_step, epoch, transitions, body, at)
    VALUES (p_sector, p_last, p_first, p_epoch, jsonb_array_length(p_transitions), p_journal, clock_timestamp());
    UPDATE alert_owner SET step = p_last WHERE sector = p_sector;
    IF jsonb_array_length(p_transitions) > 0 THEN
        PERFORM pg_notify('citywatch_alerts', p_sector);
    END IF;
    outcome := 'done';
END $$;

-- A person has seen an alert. outcome: done; unknown; refused (body tells by whom and when, or that it is normal).
CREATE FUNCTION alert_acknowledge(p_id uuid, p_by text, OUT outcome text, OUT seq bigint, OUT body jsonb)
    LANGUAGE plpgsql AS $$
BEGIN
    seq := alert_move(p_id, 'acknowledged', clock_timestamp(), p_by, '{}');
    SELECT alert.body INTO body FROM alert WHERE id = p_id;
    outcome := CASE WHEN seq IS NOT NULL THEN 'done' WHEN body IS NULL THEN 'unknown' ELSE 'refused' END;
    IF outcome = 'done' THEN
        PERFORM pg_notify('citywatch_alerts', '');
    END IF;
END $$;

-- A worker takes a sector: whatever an earlier owner still tries to commit is fenced from here on.
CREATE FUNCTION alerts_take(p_sector text, p_owner text, OUT epoch bigint, OUT step bigint)
    LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO alert_owner AS held (sector, epoch, owner, taken_at)
        VALUES (p_sector, 1, p_owner, clock_timestamp())
        ON CONFLICT (sector) DO UPDATE
           SET epoch = held.epoch + 1, owner = excluded.owner, taken_at = excluded.taken_at
        RETURNING held.epoch, held.step;
    END;

-- Keep a snapshot, the one before it, and the journal since that one. outcome: done, fenced.
CREATE FUNCTION engine_snapshot_save(p_sector text, p_epoch bigint, p_step bigint, p_place bytea, p_state bytea)
    RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    oldest bigint;
BEGIN
    PERFORM 1 FROM alert_owner WHERE sector = p_sector AND epoch = p_epoch AND step >= p_step FOR SHARE;
    IF NOT FOUND THEN
        RETURN 'fenced';
    END IF;
    INSERT INTO engine_snapshot (sector, step, epoch, place, state, at)
    VALUES (p_sector, p_step, p_epoch, p_place, p_state, clock_timestamp())
    ON CONFLICT (sector, step) DO UPDATE SET epoch = excluded.epoch, place = excluded.place, state = excluded.state,
                                             at = excluded.at;
    SELECT min(step) INTO oldest FROM (
        SELECT step FROM engine_snapshot WHERE sector = p_sector ORDER BY step DESC LIMIT 2) AS kept;
    DELETE FROM engine_snapshot WHERE sector = p_sector AND step < oldest;
    DELETE FROM engine_journal WHERE sector = p_sector AND step <= oldest;
    RETURN 'done';
END $$;
