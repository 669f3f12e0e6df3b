"""Bad days of a feed, and of those who change rules, through a real worker on a broker and a database."""

import asyncio
import time
from typing import Final

import pytest

from tests.alerts.conftest import City
from tests.alerts.past import Past, Sensor

HEAD = "rule: {0}\ntitle: {{vi: a, en: b}}\nshort: {{vi: a, en: b}}\nsector: {1}\n"
FLOODED = HEAD.format("flooded", "environment") + "metric: flood_cm\nraise: {warning: {above: 15}}\n"
MEAN = HEAD.format("mean", "environment") + "metric: flood_cm\nmeasure: {mean: 5m}\nraise: {warning: {above: 15}}\n"
SILENT = HEAD.format("silent", "environment") + "metric: flood_cm\nraise: {warning: {absent: 5m}}\n"
LASTING = HEAD.format("lasting", "environment") + "metric: flood_cm\nraise: {warning: {above: 15, for: 2m}}\n"
CROWD = (
    HEAD.format("crowd", "environment")
    + "metric: flood_cm\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 15}}}\n"
)
WEEKLY = HEAD.format("dengue", "health") + "metric: dengue_cases_weekly\nraise: {warning: {above: 50}}\n"

DEAD: Final = "system-feed-dead environment"
WRONG: Final = "system-wrong-clock environment"
MANY: Final = 5_000
HOUR: Final = 3_600


async def kinds(past: Past) -> dict[str, list[str]]:
    return {name: [kind for kind, _ in told] for name, told in (await past.came()).items()}


async def all_say(past: Past, second: float, recorded: float, value: float) -> None:
    """Each of many sensors says this of that second."""
    data = {"measurements": {"flood_cm": value}}
    sent = [await past.send("reading", f"S-{number}", second, data, recorded) for number in range(MANY)]
    await asyncio.gather(*sent)


async def test_five_thousand_sensors_fall_silent_and_return_with_an_hours_burst(city: City) -> None:
    """One alert of the feed, none of a sensor; of what they bring from the time away, flooded streets, none."""
    await city.apply(FLOODED, MEAN, SILENT)
    past = Past(city, {}, {})
    await past.keep_times()
    async with past.worker("one"):
        await city.owned()
        for second in (20, 40):
            past.clock.set(second)
            await all_say(past, second, second, 2)
            await past.read()
        for second in (60, 90, 400, 1200, HOUR):  # longer than any of them may be silent
            past.clock.set(second)
            await past.ticked()
        assert await kinds(past) == {DEAD: ["raised"]}
        past.clock.set(HOUR + 40)
        for second in range(600, HOUR - 300, 600):
            await all_say(past, second, HOUR + 40, 60)
        await all_say(past, HOUR + 39, HOUR + 40, 2)
        await past.read()
        await past.ticked()
        assert await kinds(past) == {DEAD: ["raised", "cleared"]}
        data = {"measurements": {"flood_cm": 60}}
        await (await past.send("reading", "S-7", HOUR + 50, data))  # what is new counts
        await past.read()
        assert await kinds(past) == {DEAD: ["raised", "cleared"], "flooded S-7": ["raised"]}


@pytest.mark.parametrize("off_s", [-7 * HOUR, 7 * HOUR], ids=["behind", "ahead"])
async def test_a_sensor_whose_clock_is_seven_hours_off_is_one_alert(city: City, off_s: int) -> None:
    """Others are not accused; its flooded street raises nothing; once its clock is set, all is well."""
    await city.apply(FLOODED, MEAN)
    past = Past(city, {f"S-{number}": Sensor("flood_cm", [(0, 2)]) for number in range(3)}, {})
    await past.keep_times()
    data = {"measurements": {"flood_cm": 60}}
    async with past.worker("one"):
        await city.owned()
        for second in range(20, 201, 20):
            for then in (second - 10, second):
                await past.send("reading", "S-wrong", then + off_s, data, then)
            await past.live(second)
        assert await kinds(past) == {WRONG: ["raised"]}
        past.sensors = {**past.sensors, "S-wrong": Sensor("flood_cm", [(0, 2)])}
        await past.live(600)
        assert await kinds(past) == {WRONG: ["raised", "cleared"]}


async def revised(past: Past, *rules: str) -> None:
    """Put rules in force, and wait until the worker goes by them."""
    await past.city.apply(*rules)
    revision = await past.city.pool.fetchval("SELECT revision FROM rule_revision")
    began = time.monotonic()
    while past.runner._revision != revision:
        assert time.monotonic() - began < 20
        past.clock.set((past.clock.now_us() - past.clock.start_us) / 1e6 + 0.5)
        await asyncio.sleep(0.3)


async def test_a_rule_changed_while_its_alert_is_pending_and_deleted_while_another_is_open(city: City) -> None:
    await city.apply(LASTING, FLOODED)
    past = Past(city, {"S-1": Sensor("flood_cm", [(0, 2), (30, 20)]), "S-2": Sensor("flood_cm", [(0, 2)])}, {})
    await past.keep_times()
    async with past.worker("one"):
        await city.owned()
        await past.live(100)
        assert await kinds(past) == {"flooded S-1": ["raised"]}
        await revised(past, LASTING.replace("above: 15", "above: 16"))  # and `flooded` is gone
        assert await kinds(past) == {"flooded S-1": ["raised", "cleared"]}
        await past.live(400)
    came = await past.came()
    ((kind, at),) = came.pop("lasting S-1")
    assert kind == "raised"
    assert 220 <= at < 260  # two minutes from the change on, not from the flood
    assert set(came) == {"flooded S-1"}


async def test_an_asset_that_moves_counts_where_it_is(city: City) -> None:
    await city.apply(CROWD)
    wet = [(0.0, 20.0)]
    here = {f"S-{number}": Sensor("flood_cm", wet, zone="26737") for number in (1, 2)}
    past = Past(city, {**here, "S-3": Sensor("flood_cm", wet, zone="26740")}, {})
    await past.keep_times()
    async with past.worker("one"):
        await city.owned()
        await past.live(60)
        assert await kinds(past) == {"crowd 26737": ["raised"]}
        past.sensors = {**past.sensors, "S-2": Sensor("flood_cm", wet, zone="26740")}
        await past.live(120)
    assert await kinds(past) == {"crowd 26737": ["raised", "cleared"], "crowd 26740": ["raised"]}


async def test_time_that_goes_back_changes_nothing(city: City) -> None:
    """What is older than what was said counts for nothing, whatever it says; and the same again counts once."""
    await city.apply(FLOODED, MEAN, LASTING)
    past = Past(city, {"S-1": Sensor("flood_cm", [(0, 2)]), "S-2": Sensor("flood_cm", [(0, 2)])}, {})
    await past.keep_times()
    async with past.worker("one"):
        await city.owned()
        await past.live(200)
        for back in (10, 60, 150):
            await (await past.send("reading", "S-1", 200 - back, {"measurements": {"flood_cm": 90}}, 200))
        await (await past.send("reading", "S-1", 200, {"measurements": {"flood_cm": 90}}, 200))
        await past.live(260)
    assert await kinds(past) == {}


async def test_what_comes_weekly_may_be_a_fortnight_old(city: City) -> None:
    await city.apply(WEEKLY)
    day = 86_400.0
    async with city.worker():
        await city.owned()
        await city.send("D-1", age_s=15 * day, sector="health", dengue_cases_weekly=80)
        await city.send("D-2", age_s=13 * day, sector="health", dengue_cases_weekly=80)
        began = time.monotonic()
        while not (history := await city.history()):
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.05)
        await city.send("D-2", age_s=6 * day, sector="health", dengue_cases_weekly=10)
        while len(history := await city.history()) < 2:
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.05)
    assert history == [("raised", "dengue", "D-2"), ("cleared", "dengue", "D-2")]
