-- A chunk a day; after a week a chunk becomes columns, a series a segment. Late rows still go in.

SELECT create_hypertable('reading', by_range('time', interval '1 day'), create_default_indexes => false);

ALTER TABLE reading SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'series_id',
    timescaledb.orderby = 'time'
);
