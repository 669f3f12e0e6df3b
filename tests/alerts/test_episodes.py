"""The picture of a back-test: which alerts, how bad, and how many at once."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.episodes import Episode, Episodes, at_once, by_severity
from alerts.rules import SEVERITIES
from tests.alerts.depth import rule
from tests.alerts.town import START, US, at, engine, tick

LEVEL = rule("metric: level_m\nraise: {warning: {above: 1}, critical: {above: 2}}", "high")


def test_an_episode_has_its_worst_severity_whatever_came_last() -> None:
    kept = Episodes("high")
    one = engine(LEVEL)
    values = ((0, 0.0), (10, 1.5), (20, 2.5), (30, 1.5), (40, 0.0), (50, 1.5))
    for second, value in values:
        kept.note(one.step([at(second, level_m=value)], tick(second)))
    first, second_one = kept.all()
    assert (first.severity, first.raised_at, first.cleared_at) == ("critical", START + 10 * US, START + 40 * US)
    assert (second_one.severity, second_one.raised_at, second_one.cleared_at) == ("warning", START + 50 * US, None)
    assert list(by_severity(kept.all()).items()) == [("critical", 1), ("warning", 1)]


EPISODES = st.lists(
    st.builds(
        lambda group, began, length: Episode(
            str(group), SEVERITIES[1], began * US, None if length is None else (began + length) * US
        ),
        st.integers(0, 5),
        st.integers(0, 99),
        st.none() | st.integers(1, 120),
    ),
    max_size=12,
)


@given(EPISODES, st.integers(1, 30))
def test_each_step_has_the_most_of_its_seconds(episodes: list[Episode], steps: int) -> None:
    """Against counting second by second; all times are whole seconds."""
    found = at_once(episodes, 0, 100 * US, steps)
    assert len(found.most) <= steps
    for number, most in enumerate(found.most):
        seconds = range(number * found.step_s, min(100, (number + 1) * found.step_s))
        counts = [
            sum(one.raised_at <= s * US and (one.cleared_at is None or one.cleared_at > s * US) for one in episodes)
            for s in seconds
        ]
        assert most == max(counts)
    assert len(found.most) * found.step_s >= 100
