"""The simulated city: a pure model on a clock that others move.

It neither reads a clock nor does any I/O; the same seed, map, catalogue, scenario and instants give the same events.
"""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from city.sectors import Catalogue
from city.zones import ZoneMap
from simulation.environment import AirStations, NoiseMeters, RainGauges, TideGauge
from simulation.event import Event
from simulation.feed import Feed, Measuring, Moment, Round
from simulation.flood import Flood
from simulation.health import Ambulances, DenguePosts, Hospitals
from simulation.hours import LocalTime
from simulation.instruments import Surveyor
from simulation.reports import Hotline
from simulation.routine import KINDS, Routine
from simulation.scenario import HIGH_WATER_M, Scenario
from simulation.tide import next_spring_tide, tide_m
from simulation.traffic import Traffic
from simulation.weather import Weather

USUAL_RATE: Final = 200.0
"""Events a second of the city in its usual size."""

_DETECTORS, _NOISE, _FLOOD, _RAIN, _AMBULANCES, _HOSPITALS, _AIR = 1100, 200, 90, 40, 30, 46, 45
_MOST_DETECTORS: Final = 6000
_FAST_S: Final = 10.0
_SLOW_S: Final = 60.0


class Happened(NamedTuple):
    """One tick: its end (µs since the epoch), what was measured in it, and what was reported."""

    until_us: int
    rounds: list[Round]
    reports: list[Event]


class City:
    """A city in one scenario. `rate`: about how many events a second it publishes, by its number of instruments;
    beyond 6,000 traffic detectors by a faster cadence."""

    def __init__(
        self,
        seed: int,
        zones: ZoneMap,
        catalogue: Catalogue,
        scenario: Scenario,
        *,
        rate: float = USUAL_RATE,
        timezone: tzinfo | None = None,
        tick_s: float = 1.0,
    ) -> None:
        if rate <= 0 or tick_s <= 0:
            raise ValueError("rate and tick must be above 0")
        self.scenario = scenario
        self._sectors = frozenset(catalogue.sectors)
        self._timezone: tzinfo = timezone if timezone is not None else ZoneInfo("Asia/Ho_Chi_Minh")
        self._tick_us = round(tick_s * 1e6)
        self._start_us: int | None = None
        self._reached_us = 0
        self._tide_shift_us = 0
        self._tide_offset_m = 0.0
        seeds = iter(np.random.SeedSequence(seed).spawn(16 + len(KINDS)))
        rngs = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
        surveyor = Surveyor(zones, next(rngs))
        scale = rate / USUAL_RATE
        fast_s = _FAST_S * min(1.0, _MOST_DETECTORS / (_DETECTORS * scale))
        scale *= fast_s / _FAST_S
        self.weather = Weather(scenario, next(rngs))
        self.flood = Flood(_count(_FLOOD, scale, 2), fast_s, surveyor, next(rngs))
        self.traffic = Traffic(_count(_DETECTORS, scale, 2), fast_s, surveyor, self.flood, next(rngs))
        self.rain = RainGauges(_count(_RAIN, scale, 1), fast_s, surveyor, next(rngs))
        self.tide = TideGauge(min(fast_s, _FAST_S), surveyor, next(rngs))
        self.noise = NoiseMeters(_count(_NOISE, scale, 1), fast_s, surveyor, next(rngs))
        self.air = AirStations(_count(_AIR, scale, 1), _SLOW_S, surveyor, next(rngs))
        self.hospitals = Hospitals(_count(_HOSPITALS, scale, 2), _SLOW_S, surveyor, next(rngs))
        self.ambulances = Ambulances(_count(_AMBULANCES, scale, 1), fast_s, surveyor, self.flood, next(rngs))
        epidemic = any(value > 0 for _, value in scenario.outbreak.points)
        self.dengue = DenguePosts(surveyor, next(rngs), epidemic=epidemic)
        self.hotline = Hotline(surveyor, self.flood, next(rngs))
        self.routine = [Routine(kind, surveyor, next(rngs)) for kind in KINDS]
        self.feeds: list[Measuring] = [
            *(self.flood, self.traffic, self.rain, self.tide, self.noise, self.air),
            *(self.hospitals, self.ambulances, self.dengue, *self.routine),
        ]
        for feed in self.feeds:
            sector = catalogue.sectors.get(feed.sector)
            feed.known = frozenset(sector.metrics) if sector is not None else frozenset()

    @property
    def assets(self) -> int:
        """How many instruments the city has."""
        return sum(len(feed.instruments) for feed in self.feeds)

    def step(self, now_us: int) -> list[Event]:
        """Everything that happened up to `now_us`, in the order of its time; the first call starts the city.

        Time moves in whole ticks, so how often this is called changes nothing. Raises ValueError if time goes back.
        """
        events: list[Event] = []
        for happened in self.ticks(now_us):
            said = [event for round in happened.rounds for event in round.events()] + happened.reports
            said.sort(key=lambda event: event.time)
            events += said
        return events

    def ticks(self, now_us: int) -> Iterator[Happened]:
        """As `step`, tick by tick and in columns: for who has no use for events."""
        if self._start_us is None:
            self._start(now_us)
            return
        elapsed = now_us - self._start_us
        if elapsed < self._reached_us - self._tick_us:
            raise ValueError(f"time goes back by {(self._reached_us - elapsed) / 1e6:.3f} s")
        while self._reached_us + self._tick_us <= elapsed:
            yield self._tick(self._start_us)

    def _start(self, now_us: int) -> None:
        self._start_us = now_us
        if self.scenario.high_tide_after_s is not None:
            peak_us = next_spring_tide(now_us)
            self._tide_shift_us = peak_us - now_us - round(self.scenario.high_tide_after_s * 1e6)
            self._tide_offset_m = HIGH_WATER_M - tide_m(peak_us)

    def _tick(self, start_us: int) -> Happened:
        after, self._reached_us = self._reached_us, self._reached_us + self._tick_us
        now = start_us + self._reached_us
        local = LocalTime.of(now, self._timezone)
        second = self._reached_us / 1e6
        level = tide_m(now + self._tide_shift_us) + self._tide_offset_m + self.scenario.surge_m.at(second)
        moment = Moment(start_us, after, self._reached_us, local, self.scenario, level)
        self.weather.advance(second, local, moment.seconds)
        measured = (
            self.flood.advance(moment, self.weather),
            self.traffic.advance(moment, self.weather),
            self.rain.advance(moment, self.weather),
            self.tide.advance(moment),
            self.noise.advance(moment, self.weather),
            self.air.advance(moment, self.weather),
            self.hospitals.advance(moment, self.flood.distress),
            self.ambulances.advance(moment, self.hospitals.pressure, self.traffic.jam),
            self.dengue.advance(moment),
            *(routine.advance(moment) for routine in self.routine),
        )
        reports = self.hotline.advance(moment)
        return Happened(
            now,
            [round for round in measured if round is not None and self._is_heard(round.feed, moment)],
            reports if self._is_heard(self.hotline, moment) else [],
        )

    def _is_heard(self, feed: Feed, moment: Moment) -> bool:
        return feed.sector in self._sectors and not feed.silent(moment)


def _count(usual: int, scale: float, least: int) -> int:
    return max(least, round(usual * scale))
