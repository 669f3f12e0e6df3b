-- How many series a sector has.
SELECT count(*) FROM series s JOIN asset a ON a.id = s.asset_id WHERE a.sector = $1
