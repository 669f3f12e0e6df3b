-- A chunk a day; after a week a chunk becomes columns, a series a segment. Late rows still go in.

SELECT create_hypertable('reading', by_range('time', interval '1 day'), create_default_indexes => false);

ALTER TABLE reading SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'series_id',
    timescaledb.orderby = 'time'
);

CALL add_columnstore_policy('reading', after => interval '7 days');

-- A batch of late readings may open many compressed segments; that is slow, and must not be an error.
DO $$
BEGIN
    EXECUTE format(
        'ALTER DATABASE %I SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0', current_database()
    );
END
$$;
