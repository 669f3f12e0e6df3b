-- How far back minutes are kept: before it only hours stand in. Hours need no mark: nothing is coarser.

ALTER TABLE rollup_state ADD COLUMN minutes_from timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00';
