-- How far the rules have come: a seq says nothing of that, as an engine that makes nothing and one that is dead look alike.

-- at: when the owner of a sector last said that it works. through: everything that was in the sector's log then has been
-- judged; NULL: nobody has come that far yet. Worth nothing after a crash, and written every second: kept out of the log.
CREATE UNLOGGED TABLE engine_progress (
    sector text PRIMARY KEY,
    epoch bigint NOT NULL,
    through timestamptz,
    at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- One worker about its sectors: their epochs, and how many seconds ago the log was as it is judged now (NULL: it still
-- takes again what was judged before). All by the database's clock. What another worker owns by now is left out.
CREATE FUNCTION engine_beat(p_sectors text[], p_epochs bigint[], p_ages double precision[]) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO engine_progress AS held (sector, epoch, through, at)
        SELECT mine.sector, mine.epoch, clock_timestamp() - make_interval(secs => mine.age), clock_timestamp()
          FROM unnest(p_sectors, p_epochs, p_ages) AS mine (sector, epoch, age)
          JOIN alert_owner AS owner ON owner.sector = mine.sector AND owner.epoch = mine.epoch
        ON CONFLICT (sector) DO UPDATE
           SET epoch = excluded.epoch,
               at = excluded.at,
               -- what is judged stays judged; a time to come is that of a clock which was set back
               through = greatest(CASE WHEN held.through <= excluded.at THEN held.through END, excluded.through)
         WHERE excluded.epoch >= held.epoch;
    END;
