"""Rules tried over a recorded CSV: its rows are decoded as what a sector publishes is, and judged in order of time."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec

from alerts.arrivals import Arrival
from alerts.backtest import Backtest
from alerts.rules import Rule
from alerts.tally import Outcome
from city.decoding import Decoder
from city.events import Reading, Refusal
from simulation.mapping import Mapping, mapping_file
from simulation.recording import Recording, Tally

PIECE: Final = 5_000
"""Arrivals judged between two words on the progress."""


class Recorded(msgspec.Struct, frozen=True):
    """A CSV that was read, in order of time; `refused` counts, by reason, what no service would have taken."""

    sector: str
    arrivals: list[Arrival]
    rows: Tally
    refused: dict[str, int]

    @property
    def metrics(self) -> set[str]:
        """Those of which it has readings."""
        events = (one.event for one in self.arrivals)
        return {metric for event in events if isinstance(event, Reading) for metric in event.measurements}


def read_recorded(file: Path, mapping: str, decoder: Decoder) -> Recorded:
    """Read it whole; each reading counts as come at its own time.

    Raises:
        MappingError: the mapping makes no sense or does not fit the CSV. OSError, ZoneError: as they say.
    """
    known = Mapping.load(mapping_file(mapping), decoder.catalogue, decoder.zones)
    rows, refused, arrivals = Tally(), Counter[str](), list[Arrival]()
    for event in Recording(file, known).events(rows):
        found = decoder.decode(event.encode(), (), sector=known.sector, record_time_us=event.time)
        if isinstance(found, Reading):
            arrivals.append(Arrival(event.time, found))
        elif isinstance(found, Refusal):
            refused[found.reason] += 1
    arrivals.sort(key=attrgetter("record_time"))
    return Recorded(known.sector, arrivals, rows, dict(refused))


def judge_recorded(
    recorded: Recorded,
    decoder: Decoder,
    rules: Sequence[Rule],
    since: int,
    until: int,
    progress: Callable[[int, int], None],
) -> dict[str, Outcome]:
    """What each rule would have raised from `since` to before `until` (µs); told meanwhile how many readings were
    judged, and up to when."""
    some = [one for one in recorded.arrivals if since <= one.record_time < until]
    found: dict[str, Outcome] = {}
    by_sector: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_sector[rule.sector].append(rule)
    for sector, of_sector in by_sector.items():
        test = Backtest(decoder.catalogue, sector, of_sector, ())
        for start in range(0, len(some), PIECE):
            piece = some[start : start + PIECE]
            test.judge([one.record_time for one in piece], piece)
            progress(test.readings, test.reached)
        found |= test.finish(since, until)
    return found
