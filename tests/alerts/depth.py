"""Rules that are more than thresholds, in short, for the tests of the engine's depth."""

from alerts.rules import Rule
from city.events import Report
from tests.alerts.town import START, US, Arrival, rules_of

HEAD = "rule: {name}\ntitle: {{vi: a, en: b}}\nshort: {{vi: a, en: b}}\nsector: river\n"


def rule(body: str, name: str = "deep") -> Rule:
    """One rule of the river from what follows its titles."""
    (made,) = rules_of(HEAD.format(name=name) + body + "\n")
    return made


def report(
    second: float, subject: str, zone: str | None = "1", category: str = "flooding", age_s: float = 0
) -> Arrival:
    """A report recorded so many seconds after START."""
    record = START + round(second * US)
    event = Report(
        "river", "//hotline", subject, record - round(age_s * US), category, "warning", "t", "", "open", zone
    )
    return Arrival(record, event)


EVERY_KIND = [
    rule(
        "metric: level_m\nmeasure: {mean: 5m}\nraise: {warning: {above: 1.5}, critical: {above: 1.6, for: 1m}}", "mean"
    ),
    rule("metric: level_m\nmeasure: {max: 10m}\nraise: {warning: {above: 1.5}}\nclear: {below: 1.4, for: 2m}", "max"),
    rule("metric: level_m\nmeasure: {stddev: 5m}\nraise: {warning: {above: 1}}", "stddev"),
    rule("metric: level_m\nmeasure: {rate: 5m}\nraise: {warning: {above: 10}}", "rate"),
    rule("metric: rain_mm_h\nper: zone\nmeasure: {sum: 2m}\nraise: {warning: {above: 120}}", "zone-sum"),
    rule("metric: rain_mm_h\nper: sector\nmeasure: {count: 2m}\nraise: {warning: {above: 3}}", "count"),
    rule("metric: level_m\nraise: {warning: {outside: [-1.5, 1.5], for: 1m}}\nclear: {inside: [-1, 1.45]}", "outside"),
    rule("metric: level_m\nraise: {warning: {changed_by: {value: 2, within: 5m}}}", "changed"),
    rule("metric: level_m\nraise: {warning: {frozen: 2m}}\nclear: {for: 1m}", "frozen"),
    rule("metric: level_m\nraise: {warning: {repeats: {times: 2, within: 30m, above: 1.5}}}", "repeats"),
    rule("metric: level_m\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 1.5}}}", "zone-crowd"),
    rule("metric: level_m\nper: sector\nraise: {warning: {at_least: {assets: 2, above: 1.5}}}", "crowd"),
    rule("raise: {warning: {all_of: [{metric: level_m, above: 1.5}, {metric: rain_mm_h, above: 50}]}}", "all"),
    rule("raise: {warning: {any_of: [{metric: level_m, above: 1.6}, {metric: rain_mm_h, above: 100}]}}", "any"),
    rule("metric: level_m\nraise: {warning: {above: 1.5}}\nagain_after: 1h", "again"),
    rule("metric: level_m\nraise: {warning: {above: 1.5}}\nactive: {hours: '14:00-15:00'}", "hours"),
    rule("metric: level_m\nraise: {warning: {above: 1.5, for: 1m}}\nlateness: 2m", "late"),
    rule(
        "metric: rain_mm_h\nper: zone\nlateness: 30s\nmeasure: {mean: 1m}\nraise: {warning: {above: 50}}", "zone-late"
    ),
    rule("metric: level_m\nraise: {warning: {absent: 5m}, critical: {absent: 10m}}", "absent"),
    rule("metric: rain_mm_h\nper: zone\nraise: {warning: {absent: 2m}}", "zone-absent"),
    rule("reports: {category: flooding}\nper: zone\nraise: {warning: {repeats: {times: 2, within: 10m}}}", "reports"),
]
