"""Alarm health against counts that were made by hand, and floods against counting every second."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.health import HOUR, MINUTE, STALE_AFTER, WINDOW, Alarm, by, floods, measure, peak

SECOND = MINUTE // 60


def alarm(at: int, rule: str = "rain", group: str = "a", **fields: object) -> Alarm:
    return Alarm(at, fields.get("cleared", at + 1), str(fields.get("severity", "warning")), rule, group, "environment")  # type: ignore[arg-type]


def test_rates_peak_split_and_top_rules_are_per_position() -> None:
    alarms = [alarm(n * 5 * MINUTE, f"rule-{n % 12}", str(n)) for n in range(48)]  # four hours, 12 an hour
    alarms[0] = alarm(0, "rule-0", "0", severity="emergency")
    alarms[1:4] = [alarm(n * 5 * MINUTE, f"rule-{n}", str(n), severity="critical") for n in range(1, 4)]
    one = measure(alarms, 0, 4 * HOUR)
    assert (one.alarms, one.per_hour, one.peak_10min, one.flooded, one.stale) == (48, 12.0, 2, 0.0, 0)
    assert one.split == {"warning": 44 / 48, "critical": 3 / 48, "emergency": 1 / 48}
    assert [share.alarms for share in one.top] == [4] * 10
    assert (one.within["per_hour"], one.within["per_hour_at_most"]) == (False, True)
    two = measure(alarms, 0, 4 * HOUR, positions=2)
    assert (two.per_hour, two.peak_10min, two.within["per_hour"]) == (6.0, 1.0, True)


def test_chattering_is_three_raises_of_one_cause_within_a_minute() -> None:
    just = [alarm(0), alarm(30 * SECOND), alarm(59 * SECOND)]
    over = [alarm(HOUR, group="b"), alarm(HOUR + 30 * SECOND, group="b"), alarm(HOUR + MINUTE, group="b")]
    others = [alarm(n * SECOND, group=str(n)) for n in range(20)]
    found = measure([*just, *over, *others], 0, 2 * HOUR)
    assert [(one.group, one.most) for one in found.chattering] == [("a", 3)]
    assert not found.within["chattering"]


def test_stale_is_what_lasts_longer_than_a_day_whenever_it_was_raised() -> None:
    until = 3 * STALE_AFTER
    alarms = [
        alarm(0, cleared=None),
        alarm(0, cleared=until + 1),
        alarm(0, cleared=until),
        alarm(until - STALE_AFTER, cleared=None),
        alarm(until - STALE_AFTER + 1, cleared=None),
    ]
    assert (measure(alarms, until - HOUR, until).stale, measure(alarms, until - HOUR, until).alarms) == (3, 0)


def test_figures_of_each_rule_the_most_alarms_first() -> None:
    alarms = [alarm(0, "few"), *[alarm(n * MINUTE, "many", str(n)) for n in range(5)]]
    parts = by(alarms, lambda one: one.rule, 0, HOUR, 1)
    assert [(part.of, part.alarms) for part in parts] == [("many", 5), ("few", 1)]


def test_a_flood_begins_with_the_eleventh_in_ten_minutes_and_ends_below_five() -> None:
    ten = [n * SECOND for n in range(10)]
    assert floods(ten, HOUR) == []
    eleven = [n * SECOND for n in range(11)]
    # Four are left when the seventh has been there for ten minutes.
    assert floods(eleven, HOUR) == [(10 * SECOND, WINDOW + 6 * SECOND)]
    assert floods(eleven, 5 * MINUTE) == [(10 * SECOND, 5 * MINUTE)]
    assert floods(eleven, HOUR, positions=2) == []
    health = measure([alarm(at, group=str(at)) for at in eleven], 0, HOUR)
    assert health.flooded == (WINDOW - 4 * SECOND) / HOUR
    assert not health.within["flooded"]


@given(st.lists(st.integers(0, 3_000), max_size=60))
def test_floods_and_peak_are_those_of_counting_every_second(seconds: list[int]) -> None:
    times = sorted(second * SECOND for second in seconds)
    until = 4_000
    flooded, flood, most = [], False, 0
    for now in range(until):
        count = sum(1 for at in times if now * SECOND - WINDOW < at <= now * SECOND)
        most = max(most, count)
        flood = count >= 5 if flood else count > 10
        flooded.append(flood)
    assert peak(times) == most
    found = floods(times, until * SECOND)
    assert [any(begin <= now * SECOND < end for begin, end in found) for now in range(until)] == flooded
