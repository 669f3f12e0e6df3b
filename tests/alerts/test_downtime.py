"""Twenty minutes without the alert worker while sensors and ingest go on: what happened meanwhile is told on return,
each thing once and as of its own time, and nobody who did report is called absent."""

import asyncio
from typing import Final

import pytest

from city.kafka import ensure_topics
from citywatch.embedded.broker import EmbeddedBroker
from tests.alerts.conftest import City
from tests.alerts.past import Past, Sensor

DOWN, BACK, END = 120, 1320, 1800
"""The worker stops, comes back, and the story ends; seconds of the story."""

HEAD = "rule: {0}\ntitle: {{vi: a, en: b}}\nshort: {{vi: a, en: b}}\nsector: environment\nwhere: {{assets: {1}-*}}\n"


def rule(name: str, assets: str, body: str) -> str:
    return HEAD.format(name, assets) + body


RULES: Final = (
    rule(
        *("for", "FOR", "metric: flood_cm\nraise: {warning: {above: 15, for: 2m}}\nclear: {below: 10, for: 1m}\n"),
    ),
    rule("quick", "QUICK", "metric: noise_db\nraise: {warning: {above: 90}, critical: {above: 110}}\n"),
    rule("mean", "MEAN", "metric: noise_db\nmeasure: {mean: 5m}\nraise: {warning: {above: 90}}\n"),
    rule("max", "MAX", "metric: flood_cm\nmeasure: {max: 5m}\nraise: {warning: {above: 50}}\n"),
    rule("entries", "REP", "metric: noise_db\nraise: {warning: {repeats: {times: 3, within: 10m, above: 90}}}\n"),
    rule("together", "ZONE", "metric: flood_cm\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 15}}}\n"),
    rule("silent", "SIL", "metric: flood_cm\nraise: {warning: {absent: 5m}}\n"),
    "rule: told\ntitle: {vi: a, en: b}\nshort: {vi: a, en: b}\nsector: environment\nreports: {category: flooding}\n"
    "per: zone\nraise: {warning: {repeats: {times: 2, within: 10m}}}\n",
)


def flood(*line: tuple[float, float], zone: str | None = None) -> Sensor:
    return Sensor("flood_cm", [(0, 2), *line], zone=zone)


def noise(*line: tuple[float, float]) -> Sensor:
    return Sensor("noise_db", [(0, 50), *line])


def quiet(*silent: tuple[float, float]) -> Sensor:
    return Sensor("flood_cm", [(0, 2)], silent=silent)


ZONES: Final = ("26737", "26740", "26743")
SENSORS: Final = {
    "FOR-inside": flood((300, 20), (500, 2)),
    "FOR-too-short": flood((300, 20), (410, 2), (420, 20), (530, 2)),
    "FOR-still-on": flood((1000, 20), (1500, 2)),
    "FOR-pending-on-return": flood((1260, 20), (1600, 2)),
    "FOR-pending-before": flood((60, 20), (240, 2)),
    "FOR-over-before": flood((60, 20), (150, 2)),
    "FOR-open-before": flood((20, 0)),
    "QUICK-inside": noise((700, 100), (720, 50)),
    "QUICK-twice": noise((700, 100), (720, 50), (900, 120), (930, 100), (960, 50)),
    "QUICK-open-before": noise((40, 100), (600, 50)),
    "QUICK-open-throughout": noise((40, 100), (1700, 50)),
    "QUICK-worse": noise((40, 100), (600, 120)),
    "QUICK-calm": noise(),
    "MEAN-inside": noise((400, 120), (800, 50)),
    "MEAN-still-on": noise((1100, 120)),
    "MEAN-across": noise((1200, 120)),
    "MEAN-too-short": noise((400, 120), (560, 50)),
    "MAX-inside": flood((600, 60), (610, 2)),
    "MAX-across": flood((1200, 60), (1210, 2)),
    "REP-inside": noise((300, 100), (330, 50), (500, 100), (530, 50), (700, 100), (730, 50)),
    "REP-across": noise((60, 100), (90, 50), (300, 100), (330, 50), (500, 100), (530, 50)),
    "REP-too-few": noise((300, 100), (330, 50), (500, 100), (530, 50), (1000, 100), (1030, 50)),
    "ZONE-1": flood((500, 20), (700, 2), zone=ZONES[0]),
    "ZONE-2": flood((600, 20), (800, 2), zone=ZONES[0]),
    "ZONE-3": flood((500, 20), (600, 2), zone=ZONES[1]),
    "ZONE-4": flood((610, 20), (700, 2), zone=ZONES[1]),
    "SIL-never": quiet(),
    "SIL-paused": quiet((200, 900)),
    "SIL-stopped": quiet((700, 9999)),
    "SIL-stopped-after": quiet((1350, 9999)),
    "SIL-stopped-at-once": quiet((130, 9999)),
    "SIL-last-moment": quiet((200, 1310)),
}
REPORTS: Final = {
    "R-1": (90.0, ZONES[0]),
    "R-2": (300.0, ZONES[0]),
    "R-3": (700.0, ZONES[1]),
    "R-4": (1500.0, ZONES[1]),
    "R-5": (1000.0, ZONES[2]),
    "R-6": (1200.0, ZONES[2]),
}
CAME: Final = {
    "for FOR-inside": [("raised", 420.0), ("cleared", 560.0)],
    "for FOR-still-on": [("raised", 1120.0), ("cleared", 1560.0)],
    "for FOR-pending-on-return": [("raised", 1380.0), ("cleared", 1660.0)],
    "for FOR-pending-before": [("raised", 180.0), ("cleared", 300.0)],
    "quick QUICK-inside": [("raised", 700.0), ("cleared", 720.0)],
    "quick QUICK-twice": [
        *(("raised", 700.0), ("cleared", 720.0)),
        *(("raised", 900.0), ("eased", 930.0), ("cleared", 960.0)),
    ],
    "quick QUICK-open-before": [("raised", 40.0), ("cleared", 600.0)],
    "quick QUICK-open-throughout": [("raised", 40.0), ("cleared", 1700.0)],
    "quick QUICK-worse": [("raised", 40.0), ("escalated", 600.0)],
    "mean MEAN-inside": [("raised", 570.0), ("cleared", 920.0)],
    "mean MEAN-still-on": [("raised", 1270.0)],
    "mean MEAN-across": [("raised", 1370.0)],
    "max MAX-inside": [("raised", 600.0), ("cleared", 900.0)],
    "max MAX-across": [("raised", 1200.0), ("cleared", 1500.0)],
    "entries REP-inside": [("raised", 700.0), ("cleared", 900.0)],
    "entries REP-across": [("raised", 500.0), ("cleared", 660.0)],
    f"together {ZONES[0]}": [("raised", 600.0), ("cleared", 700.0)],
    "told " + ZONES[0]: [("raised", 300.0), ("cleared", 690.0)],
    "told " + ZONES[2]: [("raised", 1200.0), ("cleared", 1600.0)],
}
ABSENT: Final = {"silent SIL-stopped", "silent SIL-stopped-at-once", "silent SIL-stopped-after"}


async def judge(past: Past) -> None:
    """All of the causes, each once, as of their times; of absences, who really was silent."""
    came = await past.came()
    absent = {name: told for name, told in came.items() if name.startswith("silent")}
    assert {name: told for name, told in came.items() if name not in absent} == CAME
    assert set(absent) == ABSENT
    for name, told in absent.items():
        assert [kind for kind, _ in told] == ["raised"], name
        since = 1350 if "after" in name else BACK
        assert since + 300 <= told[0][1] < since + 360, told


async def lived_through(past: Past) -> None:
    """Up to where the worker stops."""
    await past.city.apply(*RULES)
    await past.keep_times()
    async with past.worker("first", killed=True):
        await past.city.owned()
        await past.live(DOWN)


async def back(past: Past) -> None:
    """The worker is there again, first with what it missed."""
    past.clock.set(BACK)
    async with past.worker("second"):
        await past.read()
        await past.ticked()
        assert not any(name.startswith("silent") for name in await past.came())
        await past.live(END)
        await past.ticked()
    await judge(past)


async def test_what_happened_while_nobody_watched_is_told_on_return(city: City) -> None:
    past = Past(city, SENSORS, REPORTS)
    async with past.ingesting():
        await lived_through(past)
        await past.tell(BACK)
        await back(past)


async def test_an_engine_that_was_renewed_meanwhile_begins_with_what_is_stored(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal is another engine's: what was under way comes from the tables, the log is read on."""
    past = Past(city, SENSORS, REPORTS)
    async with past.ingesting():
        await lived_through(past)
        await past.tell(BACK)
        await past.stored()
        for module in ("engine", "freeze", "frozen", "recovery", "runner"):
            monkeypatch.setattr(f"alerts.{module}.ENGINE_VERSION", 999)
        await back(past)


LOST = 1200
"""The log keeps nothing of before this second."""


@pytest.mark.only(broker="embedded")  # Apache Kafka keeps its log
async def test_what_was_in_a_log_that_is_gone_is_judged_as_it_is_stored(
    city: City, embedded_broker: EmbeddedBroker
) -> None:
    past = Past(city, SENSORS, REPORTS)
    async with past.ingesting():
        await lived_through(past)
        await past.tell(LOST)
        await past.stored()
        await asyncio.to_thread(embedded_broker.stop)
    embedded_broker.start()
    await ensure_topics(city.settings, city.catalogue)
    async with past.ingesting():
        await past.tell(BACK)
        await back(past)


@pytest.mark.only(broker="kafka")
async def test_what_retention_took_is_judged_as_it_is_stored(city: City) -> None:
    past = Past(city, SENSORS, REPORTS)
    async with past.ingesting():
        await lived_through(past)
        await past.tell(LOST)
        await past.stored()
        await past.delete()
        await past.tell(BACK)
        await back(past)
