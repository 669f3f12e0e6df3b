"""What happens to the simulated city: each scenario is a set of curves over the seconds since it began."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Curve:
    """A value over time, straight between the given (second, value) points and level before and after them."""

    points: tuple[tuple[float, float], ...]

    def at(self, second: float) -> float:
        """The value at that second."""
        if len(self.points) == 1:
            return self.points[0][1]
        times, values = zip(*self.points, strict=True)
        return float(np.interp(second, times, values))


def level(value: float) -> Curve:
    """The same value for ever."""
    return Curve(((0.0, value),))


@dataclass(frozen=True)
class StormPlan:
    """A cell of rain: where it is strongest, how far it reaches, how strong it is when."""

    lon: float
    lat: float
    radius_km: float
    peak_mm_h: Curve
    drift_km_h: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Scenario:
    """One story. What it does not name goes on as on an ordinary day."""

    name: str
    summary: str
    then: str
    """What to watch for after the first alert, as a clause of its own."""
    first_alert_s: float | None = None
    """The first alert comes so many seconds after the start, or sooner, at any hour; None: there may be none for hours.
    """
    storms: tuple[StormPlan, ...] = ()
    showers: bool = True
    """Whether ordinary afternoon showers come and go."""
    hydrology_pace: float = 1.0
    """How many times faster than in nature streets fill and drain."""
    high_tide_after_s: float | None = None
    """High water, of HIGH_WATER_M without the surge, comes so many seconds after the start."""
    surge_m: Curve = field(default_factory=lambda: level(0.0))
    flooded: dict[str, Curve] = field(default_factory=dict)
    """Depth in cm that is given for single flood sensors."""
    rush: Curve = field(default_factory=lambda: level(0.0))
    """0: the hour's own traffic; 1: the whole city drives home at once."""
    smog: Curve = field(default_factory=lambda: level(0.0))
    """0: ordinary air; 1: the worst inversion."""
    outbreak: Curve = field(default_factory=lambda: level(0.0))
    """0: ordinary; 1: an epidemic at its height."""
    silent: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Feeds by name, or whole sectors, that publish nothing from one second to another."""
    clock_error_s: dict[str, Curve] = field(default_factory=dict)
    """Feeds by name, or whole sectors, whose clock is so many seconds wrong."""
    talk: Curve = field(default_factory=lambda: level(1.0))
    """How much more than usual citizens call."""
    mishaps_after_s: float | None = None
    """From when on single mishaps of an ordinary day happen: an accident, a burst main, a noisy site; None: never."""

    @property
    def outlook(self) -> str:
        """What somebody who watches it will see, and when."""
        if self.first_alert_s is None:
            return f"the {self.name} scenario is an ordinary day: {self.then}"
        minutes = self.first_alert_s / 60
        within = "a minute" if minutes == 1 else f"{minutes:.0f} minutes"
        return f"within {within} the {self.name} scenario raises its first alert; {self.then}"


_KNOWN_STREET: Final = (106.7195, 10.7925)  # Nguyễn Hữu Cảnh
_CENTRE: Final = (106.702, 10.790)

HIGH_WATER_M: Final = 1.31

WELCOME_SENSOR: Final = "FL-NGUYEN-HUU-CANH"

CALM: Final = Scenario(
    "calm",
    "An ordinary day: rush hours, an afternoon shower, a handful of alarms such as an accident or a burst main.",
    then="hours may pass without an alert.",
    mishaps_after_s=0.0,
)

RUSH_HOUR: Final = Scenario(
    "rush-hour",
    "Everybody drives home at once: within minutes junctions jam and queues grow; it eases after an hour.",
    then="queues grow, and what jams stays jammed for an hour.",
    first_alert_s=480,
    rush=Curve(((0, 0), (60, 0.3), (240, 1.0), (3600, 1.0), (4500, 0.0))),
    talk=Curve(((60, 1), (240, 3), (3600, 3), (4500, 1))),
    showers=False,
)

FLOOD: Final = Scenario(
    "flood",
    "A downpour meets the high tide: rain, tide alarms I to III, flooded streets, jams, ambulances held up.",
    then="the river and the streets follow within five more, and in a quarter of an hour the first are emergencies.",
    first_alert_s=120,
    storms=(
        StormPlan(
            *_CENTRE,
            radius_km=2.4,
            peak_mm_h=Curve(((0, 10), (40, 57), (260, 62), (330, 110), (900, 112), (1500, 60), (1800, 8), (2100, 0))),
            drift_km_h=(-1.5, 0.5),
        ),
    ),
    showers=False,
    hydrology_pace=14.0,
    high_tide_after_s=700.0,
    surge_m=Curve(((0, 0.12), (60, 0.14), (420, 0.15), (470, 0.25), (640, 0.26), (700, 0.36), (1500, 0.36), (2400, 0))),
    talk=Curve(((90, 1), (240, 14), (1500, 10), (2400, 1))),
)

SMOG: Final = Scenario(
    "smog",
    "Still air traps fine dust: PM2.5 and the index rise over the whole city within minutes and stay high for an hour.",
    then="it stays over the whole city for an hour.",
    first_alert_s=900,
    smog=Curve(((30, 0), (300, 0.8), (600, 1.0), (3600, 1.0), (5400, 0))),
    showers=False,
    talk=Curve(((300, 1), (600, 2), (3600, 2), (5400, 1))),
)

OUTBREAK: Final = Scenario(
    "outbreak",
    "Dengue: ward after ward reports high weekly numbers, emergency rooms and intensive care fill.",
    then="ward after ward, and the hospitals fill behind them.",
    first_alert_s=60,
    outbreak=Curve(((0, 0.6), (120, 0.8), (600, 1.0), (7200, 1.0), (14400, 0.3))),
    talk=Curve(((120, 1), (600, 2))),
)

DEAD_FEED: Final = Scenario(
    "dead-feed",
    "After a minute all of traffic falls silent at once, later the noise meters; after eleven minutes both are back.",
    then="one for all of traffic, then one for the noise meters; after eleven minutes both clear.",
    first_alert_s=120,
    silent={"traffic": (60.0, 660.0), "noise": (120.0, 660.0)},
)

WRONG_CLOCK: Final = Scenario(
    "wrong-clock",
    "After a minute all hospitals report two hours late, and rain gauges send local time as if it were UTC (+7 h).",
    then="one a sector, however many clocks are wrong, and both clear within half an hour.",
    first_alert_s=180,
    clock_error_s={
        "health": Curve(((60, 0), (60.001, -7200), (1260, -7200), (1260.001, 0))),
        "rain": Curve(((60, 0), (60.001, 25_200), (1260, 25_200), (1260.001, 0))),
    },
)

WELCOME: Final = Scenario(
    "welcome",
    "The demo's opening: a shower floods one street; an alert is raised within a minute and clears in three.",
    then="within four it clears.",
    first_alert_s=60,
    storms=(
        StormPlan(
            *_KNOWN_STREET,
            radius_km=1.4,
            peak_mm_h=Curve(((0, 12), (15, 42), (80, 38), (150, 10), (240, 0))),
        ),
    ),
    flooded={WELCOME_SENSOR: Curve(((0, 2), (4, 6), (12, 24), (34, 26), (42, 36), (76, 36), (104, 5), (180, 1)))},
    talk=Curve(((0, 2), (20, 10), (100, 6), (240, 1))),
    mishaps_after_s=900.0,
)

SCENARIOS: Final = {
    scenario.name: scenario for scenario in (CALM, RUSH_HOUR, FLOOD, SMOG, OUTBREAK, DEAD_FEED, WRONG_CLOCK, WELCOME)
}
