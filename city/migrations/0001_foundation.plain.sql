INSERT INTO city_state (key, value) VALUES ('store', '"plain"');
