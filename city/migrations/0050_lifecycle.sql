-- The whole life of an alert after ISA-18.2: who owns it, what was said, where its sound is silenced, and what it is
-- beneath a state that hides it. Every act of a person is one call of alert_act, with its row in the audit trail.

ALTER TABLE alert ADD COLUMN owner_id text;
-- What a hidden alert (shelved, suppressed, out of service) is beneath: unacknowledged or acknowledged.
ALTER TABLE alert ADD COLUMN beneath text CHECK (beneath IN ('unacknowledged', 'acknowledged'));
ALTER TABLE alert ADD CHECK ((beneath IS NOT NULL) = (state IN ('shelved', 'suppressed', 'out_of_service')));
-- What the act itself said: the comment, the position, to whom, why.
ALTER TABLE alert_history ADD COLUMN detail jsonb;

-- What every alert's JSON has besides what the engine says of it.
CREATE FUNCTION alert_untouched() RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '{"accepted_at": null, "silenced": [], "comments": 0, "hidden": null}'::jsonb;

UPDATE alert SET body = alert_untouched() || body || jsonb_build_object('seq', seq);
UPDATE alert_history SET body = alert_untouched() || body || jsonb_build_object('seq', seq);

DROP FUNCTION alert_acknowledge(uuid, jsonb);
DROP FUNCTION alert_move(uuid, text, timestamptz, text, jsonb);
DROP FUNCTION alert_record(alert, text, timestamptz, text);
DROP FUNCTION alert_next_state(text, text, text);

-- The state that a transition leads to, or NULL where it is illegal (alerts/lifecycle.py has the same table).
-- beneath: what a hidden alert is beneath; hiding: what hides it from now on, the strongest of several, or NULL.
CREATE FUNCTION alert_next_state(
    state text, kind text, severity text, beneath text DEFAULT NULL, hiding text DEFAULT NULL) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE kind
        WHEN 'raised' THEN CASE state WHEN 'normal' THEN coalesce(hiding, 'unacknowledged') END
        WHEN 'escalated' THEN CASE
            WHEN state IN ('unacknowledged', 'acknowledged') THEN 'unacknowledged'
            WHEN state IN ('shelved', 'suppressed', 'out_of_service') THEN state
        END
        WHEN 'eased' THEN CASE WHEN state NOT IN ('normal', 'returned_unacknowledged') THEN state END
        WHEN 'cleared' THEN CASE
            WHEN state IN ('acknowledged', 'shelved', 'suppressed', 'out_of_service') THEN 'normal'
            WHEN state = 'unacknowledged' THEN CASE severity WHEN 'info' THEN 'normal' ELSE 'returned_unacknowledged' END
        END
        WHEN 'superseded' THEN CASE state WHEN 'returned_unacknowledged' THEN 'normal' END
        WHEN 'silenced' THEN CASE WHEN state IN ('unacknowledged', 'returned_unacknowledged') THEN state END
        WHEN 'acknowledged' THEN CASE state
            WHEN 'unacknowledged' THEN 'acknowledged'
            WHEN 'returned_unacknowledged' THEN 'normal'
        END
        WHEN 'accepted' THEN CASE WHEN state IN ('unacknowledged', 'acknowledged') THEN 'acknowledged' END
        WHEN 'released' THEN CASE WHEN state IN ('unacknowledged', 'acknowledged') THEN state END
        WHEN 'assigned' THEN CASE WHEN state IN ('unacknowledged', 'acknowledged') THEN state END
        WHEN 'commented' THEN state
        WHEN 'shelved' THEN CASE WHEN state IN ('unacknowledged', 'acknowledged', 'shelved') THEN 'shelved' END
        WHEN 'suppressed' THEN CASE
            WHEN state IN ('unacknowledged', 'acknowledged', 'shelved', 'suppressed') THEN 'suppressed'
        END
        WHEN 'taken_out_of_service' THEN CASE
            WHEN state NOT IN ('normal', 'returned_unacknowledged') THEN 'out_of_service'
        END
        WHEN 'unshelved' THEN CASE state WHEN 'shelved' THEN coalesce(hiding, beneath) END
        WHEN 'unsuppressed' THEN CASE state WHEN 'suppressed' THEN coalesce(hiding, beneath) END
        WHEN 'returned_to_service' THEN CASE state WHEN 'out_of_service' THEN coalesce(hiding, beneath) END
    END;

-- Take the next number and write one row of history; the counter's row lock orders all writers until they commit.
CREATE FUNCTION alert_record(changed alert, kind text, event_time timestamptz, actor text, detail jsonb) RETURNS bigint
    LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO alert_history (seq, alert_id, kind, at, event_time, actor, body, detail)
        VALUES ((changed).seq, (changed).id, kind, (changed).updated_at, event_time, actor, (changed).body, detail)
        RETURNING seq;
    END;

-- Move an alert that exists; the number, or NULL if there is no such alert or the transition is illegal.
CREATE FUNCTION alert_move(
    p_id uuid, p_kind text, p_event timestamptz, p_actor text, p_patch jsonb,
    p_detail jsonb DEFAULT NULL, p_hiding text DEFAULT NULL) RETURNS bigint
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
    next_state := CASE WHEN p_kind <> 'raised' THEN alert_next_state(
        held.state, p_kind, coalesce(p_patch ->> 'severity', held.severity), held.beneath, p_hiding) END;
    IF next_state IS NULL THEN
        UPDATE alert_sequence SET seq = next_seq - 1;
        RETURN NULL;
    END IF;
    moment := clock_timestamp();
    changes := p_patch || jsonb_build_object('state', next_state, 'updated_at', rfc3339(moment), 'seq', next_seq);
    CASE p_kind
        WHEN 'cleared' THEN changes := changes || jsonb_build_object('cleared_at', rfc3339(p_event), 'hidden', NULL);
        WHEN 'escalated' THEN changes := changes || '{"acknowledged_at": null, "acknowledged_by": null, "silenced": []}';
        WHEN 'acknowledged' THEN changes := changes || jsonb_build_object(
            'acknowledged_at', rfc3339(moment), 'acknowledged_by', p_actor);
        WHEN 'accepted' THEN changes := changes || jsonb_build_object('owner', p_actor, 'accepted_at', rfc3339(moment))
            || CASE held.state WHEN 'unacknowledged' THEN jsonb_build_object(
                'acknowledged_at', rfc3339(moment), 'acknowledged_by', p_actor) ELSE '{}' END;
        ELSE NULL;
    END CASE;
    UPDATE alert
       SET state = next_state,
           beneath = CASE
               WHEN next_state NOT IN ('shelved', 'suppressed', 'out_of_service') THEN NULL
               WHEN p_kind = 'escalated' THEN 'unacknowledged'
               ELSE coalesce(held.beneath, held.state)
           END,
           severity = coalesce(changes ->> 'severity', severity),
           rule_version = coalesce((changes ->> 'rule_version')::int, rule_version),
           zone = CASE WHEN changes ? 'zone' THEN changes ->> 'zone' ELSE zone END,
           cleared_at = CASE p_kind WHEN 'cleared' THEN p_event ELSE cleared_at END,
           updated_at = moment,
           seq = next_seq,
           body = body || changes
     WHERE id = p_id
    RETURNING * INTO held;
    RETURN alert_record(held, p_kind, p_event, p_actor, p_detail);
END $$;

-- Whom an alert may be given to: accounts in force that may act on it.
CREATE FUNCTION alert_assignees(p_sector text, p_zone text) RETURNS TABLE (id text, name text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT account.id::text, account.name FROM account
         WHERE disabled_at IS NULL AND role <> 'viewer'
           AND (sectors = '{}' OR p_sector = ANY (sectors))
           AND (zones = '{}' OR p_zone IS NULL OR p_zone = ANY (zones))
         ORDER BY account.name;
    END;

-- An act of a person: silenced, acknowledged, accepted, released, assigned, commented. p_seen: the seq of the alert that
-- they saw, or NULL. p_actor: {"kind", "id", "name", "address"}; `any_owner` in it: may release what others own.
-- outcome: done; unknown; changed (another step came between: did, who, since); owned (who, since); not_owner;
-- no_assignee; refused (the state forbids it). body is the alert after it, or as it stands.
CREATE FUNCTION alert_act(
    p_id uuid, p_kind text, p_seen bigint, p_actor jsonb, p_detail jsonb,
    OUT outcome text, OUT seq bigint, OUT body jsonb, OUT did text, OUT who text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held alert;
    new_owner text;
    owner_name text;
    patch jsonb := '{}';
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;  -- before the counter of alerts: raising one never waits for the trail
    PERFORM 1 FROM alert_sequence FOR UPDATE;
    SELECT * INTO held FROM alert WHERE id = p_id;
    body := held.body;
    IF held.id IS NULL THEN
        outcome := 'unknown';
        RETURN;
    ELSIF held.seq <> p_seen THEN
        outcome := 'changed';
        SELECT newest.kind, newest.actor, newest.at INTO did, who, since FROM alert_history AS newest
         WHERE newest.seq = held.seq;
        RETURN;
    END IF;
    new_owner := held.owner_id;
    CASE p_kind
        WHEN 'silenced' THEN
            patch := jsonb_build_object('silenced', coalesce(
                (SELECT jsonb_agg(one) FROM jsonb_array_elements(body -> 'silenced') AS one
                  WHERE one ->> 'position' <> p_detail ->> 'position'), '[]') || jsonb_build_object(
                'position', p_detail ->> 'position', 'by', p_actor ->> 'name', 'at', rfc3339(clock_timestamp())));
        WHEN 'accepted' THEN
            IF body ->> 'accepted_at' IS NOT NULL THEN
                outcome := 'owned';
                who := body ->> 'owner';
                since := (body ->> 'accepted_at')::timestamptz;
                RETURN;
            END IF;
            new_owner := p_actor ->> 'id';
        WHEN 'released' THEN
            IF held.owner_id IS NULL
               OR (held.owner_id <> p_actor ->> 'id' AND (p_actor ->> 'any_owner')::boolean IS NOT TRUE) THEN
                outcome := 'not_owner';
                who := body ->> 'owner';
                RETURN;
            END IF;
            new_owner := NULL;
            patch := '{"owner": null, "accepted_at": null}';
        WHEN 'assigned' THEN
            SELECT * INTO new_owner, owner_name FROM alert_assignees(held.sector, held.zone) AS person
             WHERE person.name = p_detail ->> 'to';
            IF new_owner IS NULL THEN
                outcome := 'no_assignee';
                RETURN;
            END IF;
            patch := jsonb_build_object('owner', owner_name, 'accepted_at', NULL);
        WHEN 'commented' THEN
            patch := jsonb_build_object('comments', (body ->> 'comments')::int + 1);
        WHEN 'acknowledged' THEN NULL;
        ELSE RAISE EXCEPTION '% is no act of a person on one alert', p_kind;
    END CASE;
    seq := alert_move(p_id, p_kind, clock_timestamp(), p_actor ->> 'name', patch, p_detail);
    IF seq IS NULL THEN
        outcome := 'refused';
        RETURN;
    END IF;
    UPDATE alert SET owner_id = new_owner WHERE id = p_id AND owner_id IS DISTINCT FROM new_owner;
    SELECT alert.body INTO body FROM alert WHERE id = p_id;
    PERFORM audit_append(
        p_actor, 'alert.' || CASE p_kind
            WHEN 'silenced' THEN 'silence' WHEN 'acknowledged' THEN 'acknowledge' WHEN 'accepted' THEN 'accept'
            WHEN 'released' THEN 'release' WHEN 'assigned' THEN 'assign' WHEN 'commented' THEN 'comment' END,
        'alert ' || p_id, jsonb_build_object('state', held.state, 'owner', held.body -> 'owner'),
        jsonb_build_object('state', body ->> 'state', 'seq', seq, 'rule', held.rule, 'group', held.group_key,
                           'owner', body -> 'owner') || coalesce(p_detail, '{}'));
    PERFORM pg_notify('citywatch_alerts', '');
    outcome := 'done';
END $$;
