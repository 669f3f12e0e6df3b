CREATE EXTENSION IF NOT EXISTS timescaledb;

INSERT INTO city_state (key, value) VALUES ('store', '"timescale"');
