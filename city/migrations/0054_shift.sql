-- The log of the room: who was at which position, and notes that stay until somebody takes them down.

CREATE TABLE shift (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    position  text NOT NULL,
    person    text NOT NULL,
    person_id text NOT NULL,
    began_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at  timestamptz
);
-- One person at a position.
CREATE UNIQUE INDEX shift_on ON shift (position) WHERE ended_at IS NULL;
CREATE INDEX shift_began_at ON shift (began_at DESC);

-- About the city, an alert, an incident or an asset; sector and zone are those of what it is about, if it has them.
CREATE TABLE note (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    by        text NOT NULL,
    about     text NOT NULL CHECK (about IN ('city', 'alert', 'incident', 'asset')),
    object    text,
    sector    text,
    zone      text,
    text      text NOT NULL,
    pinned    boolean NOT NULL,
    taken_at  timestamptz,
    taken_by  text,
    CHECK ((about = 'city') = (object IS NULL))
);
CREATE INDEX note_at ON note (at DESC);
CREATE INDEX note_pinned ON note (id) WHERE pinned;
CREATE INDEX note_object ON note (about, object, id);

-- Sign on at a position; whoever was there is signed off by it.
CREATE FUNCTION shift_begin(p_position text, p_actor jsonb) RETURNS shift
    LANGUAGE plpgsql AS $$
DECLARE
    before shift;
    made shift;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;  -- one at a time
    UPDATE shift SET ended_at = clock_timestamp() WHERE position = p_position AND ended_at IS NULL
    RETURNING * INTO before;
    INSERT INTO shift (position, person, person_id)
    VALUES (p_position, p_actor ->> 'name', p_actor ->> 'id') RETURNING * INTO made;
    PERFORM audit_append(p_actor, 'shift.begin', 'position ' || p_position,
                         CASE WHEN before.id IS NOT NULL THEN to_jsonb(before) END, to_jsonb(made));
    RETURN made;
END $$;

-- Sign off. outcome: done; unknown; over (since when).
CREATE FUNCTION shift_end(p_id uuid, p_actor jsonb, OUT outcome text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held shift;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    SELECT * INTO held FROM shift WHERE id = p_id;
    since := held.ended_at;
    outcome := CASE WHEN held.id IS NULL THEN 'unknown' WHEN since IS NOT NULL THEN 'over' ELSE 'done' END;
    IF outcome = 'done' THEN
        UPDATE shift SET ended_at = clock_timestamp() WHERE id = p_id;
        PERFORM audit_append(p_actor, 'shift.end', 'position ' || held.position, to_jsonb(held), NULL);
    END IF;
END $$;

CREATE FUNCTION note_put(p_note jsonb, p_actor jsonb) RETURNS note
    LANGUAGE plpgsql AS $$
DECLARE
    made note;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    made := jsonb_populate_record(NULL::note, p_note);
    INSERT INTO note (by, about, object, sector, zone, text, pinned)
    VALUES (p_actor ->> 'name', made.about, made.object, made.sector, made.zone, made.text, made.pinned)
    RETURNING * INTO made;
    PERFORM audit_append(p_actor, 'note.write', 'note ' || made.id, NULL, to_jsonb(made));
    RETURN made;
END $$;

-- Take a pinned note down; it stays in the log. outcome: done; unknown; over (it is down: who, since).
CREATE FUNCTION note_take_down(p_id bigint, p_actor jsonb, OUT outcome text, OUT who text, OUT since timestamptz)
    LANGUAGE plpgsql AS $$
DECLARE
    held note;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    SELECT * INTO held FROM note WHERE id = p_id;
    who := held.taken_by;
    since := coalesce(held.taken_at, held.at);
    outcome := CASE WHEN held.id IS NULL THEN 'unknown' WHEN NOT held.pinned THEN 'over' ELSE 'done' END;
    IF outcome = 'done' THEN
        UPDATE note SET pinned = false, taken_at = clock_timestamp(), taken_by = p_actor ->> 'name' WHERE id = p_id;
        PERFORM audit_append(p_actor, 'note.take_down', 'note ' || p_id, to_jsonb(held), NULL);
    END IF;
END $$;
