-- The operating stage of the city, 1 (normal) to 5: what it was, since when, by whom and why.

CREATE TABLE stage (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    level  int NOT NULL CHECK (level BETWEEN 1 AND 5),
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    set_by text NOT NULL,
    why    text NOT NULL
);

-- p_seen: the level that they saw. outcome: done; changed (by who, since when, to level); same (it is that level).
CREATE FUNCTION stage_set(
    p_level int, p_seen int, p_why text, p_actor jsonb,
    OUT outcome text, OUT level int, OUT who text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held stage;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;  -- one at a time
    SELECT * INTO held FROM stage ORDER BY number DESC LIMIT 1;
    level := coalesce(held.level, 1);
    who := held.set_by;
    since := held.at;
    outcome := CASE WHEN level <> p_seen THEN 'changed' WHEN level = p_level THEN 'same' ELSE 'done' END;
    IF outcome <> 'done' THEN
        RETURN;
    END IF;
    INSERT INTO stage (level, set_by, why) VALUES (p_level, p_actor ->> 'name', p_why) RETURNING * INTO held;
    INSERT INTO city_state (key, value) VALUES ('stage', jsonb_build_object('level', held.level, 'since', rfc3339(held.at)))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    PERFORM audit_append(p_actor, 'stage.set', 'stage', jsonb_build_object('level', level),
                         jsonb_build_object('level', p_level, 'why', p_why), held.at);
    level := held.level;
    who := held.set_by;
    since := held.at;
END $$;
