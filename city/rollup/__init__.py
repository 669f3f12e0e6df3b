"""Readings summed up by the minute and by the hour, and raw readings erased when their time is over.

On a plain store, writers mark the ranges that they touched (city.dirty). A pass takes marks and raw readings in one
snapshot, sums the marked ranges up anew and moves `rolled_before` on; the views `reading_1m` and `reading_1h` add the
tail behind it. Summing up again is harmless: a bucket only ever gains readings, and nothing before `raw_from`, where
raw readings may be gone, is touched. On TimescaleDB the views are continuous aggregates, refreshed by the same job.
"""

from city.rollup.job import Rollup

__all__ = ["Rollup"]
