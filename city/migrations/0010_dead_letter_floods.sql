-- In a flood of refused records one row stands for many; sum(records) equals the ledger's dead + late all the same.

ALTER TABLE dead_letter
    ADD COLUMN records bigint NOT NULL DEFAULT 1 CHECK (records > 0),
    ADD COLUMN key bytea;
