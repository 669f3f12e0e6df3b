"""Every condition of a rule: when it raises, when it clears, and when it can't know."""

import pytest

from alerts.engine import Engine
from tests.alerts.depth import report, rule
from tests.alerts.town import Arrival, at, engine, feed, tick, told


def levels(*values: float, every: float = 60, asset: str = "PA-1", zone: str | None = None) -> list[Arrival]:
    return [at(i * every, asset, zone=zone, level_m=value) for i, value in enumerate(values)]


def short(subject: Engine, *arrivals: Arrival) -> list[str]:
    """'raised warning @120' of the one rule there is."""
    return [one.replace(" deep", "") for one in told(feed(subject, *arrivals))]


@pytest.mark.parametrize(
    ("body", "values", "expected"),
    [
        ("measure: {mean: 5m}\nraise: {warning: {above: 1}}", [0, 0, 2, 2, 2, 2, 0, 0, 0],
         ["raised warning @240", "cleared warning @480"]),
        ("measure: {mean: 5m}\nraise: {warning: {above: 1}}", [2, 2, 2, 2], []),  # not yet a whole window
        ("measure: {max: 5m}\nraise: {warning: {above: 1}}", [2, 0, 0, 0, 0, 0],
         ["raised warning @0", "cleared warning @300"]),
        ("measure: {max: 5m}\nraise: {warning: {below: 1}}", [0, 0, 0, 0, 0], ["raised warning @240"]),
        ("measure: {min: 5m}\nraise: {warning: {above: 1}}", [2, 2, 2, 2, 2, 0],
         ["raised warning @240", "cleared warning @300"]),
        ("measure: {count: 3m}\nraise: {warning: {below: 3}}", [0, 0, 0, 0], []),
        ("measure: {stddev: 3m}\nraise: {warning: {above: 0.9}}", [1, 1, 1, 3, 1, 1],
         ["raised warning @180"]),
        ("measure: {delta: 3m}\nraise: {warning: {above: 1}}", [0, 0.5, 1, 2, 2, 2],
         ["raised warning @180", "cleared warning @300"]),
        ("measure: {rate: 3m}\nraise: {warning: {above: 20}}", [0, 0.2, 0.4, 1.2, 1.2, 1.2],
         ["raised warning @180", "cleared warning @240"]),
        ("raise: {warning: {outside: [0, 2]}, critical: {outside: [-1, 3]}}", [1, -0.5, -2, 4, 2.5, 2],
         ["raised warning @60", "escalated critical @120", "eased warning @240", "cleared warning @300"]),
        ("raise: {warning: {inside: [1, 2]}}\nclear: {outside: [0, 3]}", [0, 1, 2.5, 3.5],
         ["raised warning @60", "cleared warning @180"]),
        ("raise: {warning: {equals: 1}, critical: {equals: 2}}", [0, 1, 2, 1, 0],
         ["raised warning @60", "escalated critical @120", "eased warning @180", "cleared warning @240"]),
        ("raise: {warning: {changed_by: {value: 2, within: 3m}}}", [0, 1, 2, 2, 2, 2],
         ["raised warning @120", "cleared warning @180"]),
        ("raise: {warning: {changed_by: {percent: 50, within: 3m}}}", [1, 1.2, 0.5, 0.5, 0.5],
         ["raised warning @120", "cleared warning @240"]),
        ("raise: {warning: {frozen: 3m}, critical: {frozen: 5m}}", [1, 1, 1, 1, 1, 1, 2],
         ["raised warning @180", "escalated critical @300", "cleared critical @360"]),
        ("raise: {warning: {repeats: {times: 3, within: 10m, above: 1}}}", [2, 0, 2, 2, 0, 2, *[0] * 6],
         ["raised warning @300", "cleared warning @600"]),
        ("raise: {warning: {above: 1}}\nagain_after: 5m", [2, 0, 2, 0, 2, 2, 2],
         ["raised warning @0", "cleared warning @60", "raised warning @300"]),
        ("raise: {warning: {above: 1}}\nclear: {for: 2m}", [2, 0, 0, 0], ["raised warning @0", "cleared warning @180"]),
    ],
)  # fmt: skip
def test_a_condition_over_one_asset(body: str, values: list[float], expected: list[str]) -> None:
    assert short(engine(rule("metric: level_m\n" + body)), *levels(*values)) == expected


def test_a_window_knows_again_when_it_was_empty() -> None:
    one = engine(rule("metric: level_m\nmeasure: {mean: 5m}\nraise: {warning: {above: 1}}"))
    assert short(one, *levels(2, 2, 2, 2, 2)) == ["raised warning @240"]
    late = [at(3600 + 60 * i, level_m=0) for i in range(5)]
    assert short(one, *late) == ["cleared warning @3840"]


def test_a_frozen_sensor_is_not_one_that_was_silent() -> None:
    one = engine(rule("metric: level_m\nraise: {warning: {frozen: 10m}}"))
    assert short(one, at(0, level_m=1), at(3600, level_m=1), at(3660, level_m=1)) == []


def test_a_zone_is_measured_by_all_its_assets() -> None:
    one = engine(rule("metric: level_m\nper: zone\nmeasure: {mean: 2m}\nraise: {warning: {above: 1}}"))
    readings = [at(60 * i, name, zone=zone, level_m=x) for i in range(3) for name, zone, x in
                (("A", "1", 0.5), ("B", "1", 2.5), ("C", "2", 0.9), ("D", None, 4))]  # fmt: skip
    (raised,) = feed(one, *readings)
    assert (raised.group, raised.asset, raised.place.zone) == ("1", None, "1")
    assert raised.value == pytest.approx(3.5 / 3)


def test_so_many_assets_of_a_zone_at_once() -> None:
    one = engine(rule("metric: level_m\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 1}}}"))
    assert short(one, at(0, "A", zone="1", level_m=2), at(1, "B", zone="2", level_m=2)) == []
    assert short(one, at(2, "C", zone="1", level_m=2)) == ["raised warning @2"]
    assert short(one, at(3, "A", zone="1", level_m=0)) == ["cleared warning @3"]


def test_whom_nobody_heard_for_long_counts_neither_way() -> None:
    one = engine(rule("metric: level_m\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 1}}}"))
    both = at(0, "A", zone="1", level_m=2), at(1, "B", zone="1", level_m=2)
    assert short(one, *both) == ["raised warning @1"]
    assert short(one, at(400, "C", zone="1", level_m=0)) == []  # A and B may still be above
    assert short(one, at(401, "A", zone="1", level_m=0)) == ["cleared warning @401"]  # B alone is not two


def test_an_asset_that_moves_leaves_its_zones_group() -> None:
    one = engine(rule("metric: level_m\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 1}}}"))
    short(one, at(0, "A", zone="1", level_m=2), at(1, "B", zone="1", level_m=2))
    assert short(one, at(2, "B", zone="2", level_m=2)) == ["cleared warning @2"]
    assert short(one, at(3, "C", zone="2", level_m=2)) == ["raised warning @3"]


def test_several_metrics_together() -> None:
    parts = "[{metric: level_m, above: 1}, {metric: rain_mm_h, above: 50}]"
    every = engine(rule(f"raise: {{warning: {{all_of: {parts}}}}}"))
    some = engine(rule(f"raise: {{warning: {{any_of: {parts}}}}}"))
    story = [at(0, level_m=2), at(10, rain_mm_h=60), at(20, rain_mm_h=0), at(30, level_m=0)]
    assert short(every, *story) == ["raised warning @10", "cleared warning @20"]
    assert short(some, *story) == ["raised warning @0", "cleared warning @30"]
    assert short(every, at(1000, rain_mm_h=60), at(1001, level_m=2)) == ["raised warning @1001"]
    assert short(every, at(3000, rain_mm_h=60)) == []  # nobody knows the level any more


def test_reports_count_once_and_grow_too_old() -> None:
    one = engine(rule("reports: {category: flooding}\nper: zone\nraise: {warning: {repeats: {times: 2, within: 10m}}}"))
    story = report(0, "a"), report(60, "a"), report(61, "b", "2"), report(62, "c", category="fallen_tree")
    assert short(one, *story) == []
    (raised,) = feed(one, report(120, "d"))
    assert (raised.group, raised.value, raised.limit, raised.place.zone, raised.metric) == ("1", 2, 2, "1", "")
    assert told(one.step([], tick(599))) == []
    assert told(one.step([], tick(600, at_end=False))) == []
    assert told(one.step([], tick(601))) == ["cleared deep warning @600"]
    assert short(one, report(4000, "e", age_s=700), report(4001, "f", age_s=700)) == []


def test_what_is_stale_clears_and_never_raises() -> None:
    one = engine(rule("metric: level_m\nmeasure: {max: 5m}\nraise: {warning: {above: 1}}"))
    assert short(one, at(1000, age_s=400, level_m=2)) == []
    assert short(one, at(1001, level_m=2)) == ["raised warning @1001"]
    assert short(one, *[at(2000 + i, age_s=940 - 60 * i, level_m=0) for i in range(6)]) == ["cleared warning @1304"]


def test_out_of_hours_nothing_raises_and_an_open_alert_clears() -> None:
    # START is 14:07 in Hồ Chí Minh City
    one = engine(rule("metric: level_m\nraise: {warning: {above: 1, for: 1m}}\nactive: {hours: '14:00-15:00'}"))
    assert short(one, *levels(2, 2)) == ["raised warning @60"]
    assert short(one, at(3600, level_m=0), at(3660, level_m=2), at(3720, level_m=2)) == ["cleared warning @3600"]
    tomorrow = [at(86_400 + 60 * i, level_m=2) for i in range(2)]
    assert short(one, *tomorrow) == ["raised warning @86460"]
