-- When an asset was last said to be where it is: an older word never moves it back.

ALTER TABLE asset ADD COLUMN placed_at timestamptz;
