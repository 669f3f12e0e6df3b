"""The built-in rules at work: a dead feed, a wrong clock, too many series; each one alert a sector."""

from typing import Final

from alerts.arrivals import Arrival, Tick
from alerts.feed import DEAD, FEED_DEAD, PARTLY, SERIES_LIMIT, WRONG_CLOCK, Feed, judge_silence, pulse_us, steady
from alerts.roster import Roster
from alerts.rules import Severity
from alerts.series import US, Asset
from alerts.system import SYSTEM
from alerts.transitions import Kind, Place, Transition, alert_id
from city.events import FUTURE_TOLERANCE_US, Reading, Refusal

FUTURE: Final = ""
"""Name under which readings from the future are booked among the assets with a wrong clock."""

SYSTEM_VERSION: Final = 1
"""Version of the built-in rules, as their alerts tell it."""


class Watch:
    """Watches one sector as a whole; what it finds is appended to `out`."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.feed = Feed(wrong={})
        self.moved = False
        """Whether the last tick found an instrument's feed dead, or back, whether or not that was told."""

    def hear(self, arrival: Arrival, now: int, out: list[Transition]) -> None:
        """A refusal tells of a wrong clock; neither it nor a report shows that the sensors live."""
        event = arrival.event
        if isinstance(event, Refusal) and event.reason == "future_time":
            self.feed.future_heard = now
            if self.feed.refuse_future(arrival.record_time):
                self._accuse(FUTURE, arrival.record_time, -FUTURE_TOLERANCE_US, out)

    def listen(self, tick: Tick, out: list[Transition]) -> None:
        """Judge, after the records of a step, whether the sector is still heard."""
        feed = self.feed
        if feed.full_since and not self.roster.full:
            since, feed.full_since = feed.full_since, 0
            out.append(self._system("cleared", SERIES_LIMIT, since, max(tick.time, since)))
        kinds = self.roster.kinds.values()
        dead = [kind.dead for kind in kinds]
        level, since, kind = judge_silence(kinds, feed, tick.time, tick.at_end)
        self.moved = dead != [kind.dead for kind in kinds]
        before = feed.level
        if level == before or not self.roster.kinds:
            return
        feed.level = level
        raised_at = feed.dead_since = (feed.dead_since or since) if level else feed.dead_since
        steps: dict[tuple[bool, bool], Kind] = {(True, False): "raised", (True, True): "escalated"}
        what = steps.get((level > before, bool(before))) or ("eased" if level else "cleared")
        metric = kind.metric if kind is not None and level == PARTLY else ""
        pulse = pulse_us(kind) / US if kind is not None else 0.0
        when = raised_at if what == "raised" else max(tick.time, raised_at)
        severity = self.severity(FEED_DEAD, level or before)
        if not level:
            feed.dead_since = 0
        out.append(self._system(what, FEED_DEAD, raised_at, when, pulse, pulse, metric=metric, severity=severity))

    def judge_clock(self, asset: Asset, arrival: Arrival, age: int, out: list[Transition]) -> None:
        """Take a reading that is old, or of an asset that sent old ones, or while others come from the future."""
        feed = self.feed
        if feed.future_since and feed.future_over(arrival.record_time):
            feed.future_since = 0
            self._acquit(FUTURE, arrival.record_time, out)
        event = arrival.event
        if not isinstance(event, Reading) or not self._all_stale(event, age):
            if asset.stale_since:
                asset.stale_since = asset.stale_age = 0
                self._acquit(asset.name, arrival.record_time, out)
            return
        verdict = (
            steady(asset.stale_since, asset.stale_age, arrival.record_time, age, asset.cadence_us)
            if asset.stale_since
            else False
        )
        if verdict:
            self._accuse(asset.name, arrival.record_time, age, out)
        elif verdict is False:
            asset.stale_since, asset.stale_age = arrival.record_time, age

    def overflow(self, record_time: int, out: list[Transition]) -> None:
        """A series came that the sector may not have; said once."""
        feed, series = self.feed, float(self.roster.series)
        if not feed.full_since:
            feed.full_since = record_time
            limit = float(self.roster.sector.series_limit)
            out.append(self._system("raised", SERIES_LIMIT, record_time, record_time, series, limit))

    def severity(self, rule: str, level: int | None = None) -> Severity:
        """Of a built-in rule: a feed that is wholly dead is critical, everything else a warning."""
        dead = (self.feed.level if level is None else level) == DEAD
        return "critical" if rule == FEED_DEAD and dead else "warning"

    def _all_stale(self, reading: Reading, age: int) -> bool:
        return all(age > self.roster.plan(metric).max_age_us for metric in reading.measurements)

    def _accuse(self, asset: str, record_time: int, age: int, out: list[Transition]) -> None:
        feed = self.feed
        if asset in feed.wrong:
            return
        feed.wrong[asset] = age
        if not feed.wrong_since:
            feed.wrong_since = record_time
            where = self.roster.assets.get(asset)
            limit = where.fresh_us / US if where is not None else FUTURE_TOLERANCE_US / US
            out.append(self._system("raised", WRONG_CLOCK, record_time, record_time, age / US, limit, where))

    def _acquit(self, asset: str, record_time: int, out: list[Transition]) -> None:
        feed = self.feed
        if feed.wrong.pop(asset, None) is not None and not feed.wrong:
            since, feed.wrong_since = feed.wrong_since, 0
            out.append(self._system("cleared", WRONG_CLOCK, since, record_time))

    def _system(
        self,
        kind: Kind,
        rule: str,
        raised_at: int,
        time: int,
        value: float = 0.0,
        limit: float = 0.0,
        asset: Asset | None = None,
        metric: str = "",
        severity: Severity | None = None,
    ) -> Transition:
        return Transition(
            kind=kind,
            alert_id=alert_id(rule, self.roster.sector.name, raised_at),
            rule=rule,
            rule_version=SYSTEM_VERSION,
            group=self.roster.sector.name,
            sector=self.roster.sector.name,
            asset=asset.name if asset is not None else None,
            place=asset.place if asset is not None else Place(),
            severity=severity or self.severity(rule),
            metric=metric or SYSTEM[rule].metric,
            value=value,
            limit=limit,
            comparison=">",
            event_time=time,
            raised_at=raised_at,
        )
