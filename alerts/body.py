"""Transitions as the JSON that history, REST, WebSocket and city.alerts share. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from alerts.feed import FEED_DEAD
from alerts.rules import Rule
from alerts.system import SYSTEM
from alerts.transitions import Transition
from city.sectors import Sector
from city.timestamps import format_time
from city.zones import ZoneMap

Json = dict[str, object]

_UNKNOWN: Final = {"vi": "Quy tắc đã gỡ", "en": "Retired rule"}


class Change(msgspec.Struct, frozen=True):
    """One transition as `alerts_commit` takes it: the whole alert when raised, else what changes of it."""

    kind: str
    id: str
    event_us: int
    body: Json


def change(transition: Transition, rules: Mapping[str, Rule], sector: Sector, zones: ZoneMap) -> Change:
    """What the transition writes; `rules` are those in force."""
    body = _varying(transition, zones)
    if transition.kind == "raised":
        body = {**_identity(transition), **_meaning(transition, rules, sector), **body, **_untouched()}
    elif transition.rule_version:
        body["rule_version"] = transition.rule_version
        if transition.rule in SYSTEM:
            body |= _named(transition, sector)
    return Change(transition.kind, transition.alert_id, transition.event_time, body)


def _identity(transition: Transition) -> Json:
    return {
        "id": transition.alert_id,
        "rule": transition.rule,
        "rule_version": transition.rule_version,
        "group": transition.group,
        "sector": transition.sector,
        "asset": transition.asset,
        "metric": transition.metric,
        "comparison": transition.comparison,
        "raised_at": format_time(transition.raised_at),
    }


def _meaning(transition: Transition, rules: Mapping[str, Rule], sector: Sector) -> Json:
    text = SYSTEM.get(transition.rule)
    if text is not None:
        return {
            **_named(transition, sector),
            "unit": text.unit,
            "consequence": text.consequence,
            "response": list(text.response),
            "respond_within_s": None,
            "team": None,
        }
    rule = rules.get(transition.rule)
    return {
        "title": rule.title if rule else _UNKNOWN,
        "short": rule.short if rule else _UNKNOWN,
        "unit": rule.unit if rule else "",
        "consequence": rule.consequence if rule else None,
        "response": list(rule.response) if rule else [],
        "respond_within_s": rule.respond_within_s if rule else None,
        "team": rule.team if rule else None,
    }


def _named(transition: Transition, sector: Sector) -> Json:
    """Titles of a built-in rule; a feed that is dead in part is told by what it measures."""
    text, metric = SYSTEM[transition.rule], sector.metrics.get(transition.metric)
    return {"title": text.title_for(sector, metric), "short": text.short_for(sector), "metric": transition.metric}


def _varying(transition: Transition, zones: ZoneMap) -> Json:
    place = transition.place
    zone = zones.zones.get(place.zone) if place.zone is not None else None
    body: Json = {"severity": transition.severity}
    if transition.rule_version or transition.kind == "raised":  # an orphan's clearing knows nothing new
        body |= {
            "zone": place.zone,
            "zone_name": zone.name if zone is not None else None,
            "location": list(place.location) if place.location is not None else None,
            "value": transition.value,
            "limit": transition.limit,
            "last_data_at": format_time(_last_data(transition)),
        }
    return body


def _last_data(transition: Transition) -> int:
    """A feed that died was last heard one allowed silence earlier."""
    if transition.rule == FEED_DEAD and transition.kind == "raised":
        return transition.event_time - round((transition.value or 0.0) * 1e6)
    return transition.event_time


def _untouched() -> Json:
    return {"cleared_at": None, "acknowledged_at": None, "acknowledged_by": None, "owner": None}
