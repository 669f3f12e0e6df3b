"""What must hold at the end, asked of the database, the broker and the screen."""

from dataclasses import dataclass

import asyncpg

from tests.kill import depth
from tests.kill.city import City
from tests.kill.depth import Story, came_of
from tests.kill.plan import Plan, cause_steps
from tests.kill.screen import Screen
from tests.kill.sender import Sender

RULES = ["kill-queue", "kill-flood"]
TRANSITIONS = "SELECT count(*) FROM alert_history h JOIN alert a ON a.id = h.alert_id WHERE a.rule = ANY($1)"


def expected_readings(plan: Plan, story: Story, sender: Sender) -> int:
    """Distinct readings sent."""
    deep = sum(len(step.measurements) for step in story.steps)
    return plan.readings + plan.cause_readings + deep + sender.steady_sent


def expected_transitions(story: Story) -> int:
    """Of the rules in depth."""
    return sum(len(kinds) for groups in story.expected.values() for kinds in groups.values())


@dataclass(frozen=True)
class Check:
    """One promise: what it says, and what was found against what must be."""

    says: str
    found: object
    expected: object

    @property
    def holds(self) -> bool:
        return self.found == self.expected


async def counted(dsn: str) -> tuple[int, int, int]:
    """Rows of `reading`, transitions of the rules under test, and of those in depth: what has arrived so far."""
    connection = await asyncpg.connect(dsn)
    try:
        readings = await connection.fetchval("SELECT count(*) FROM reading")
        transitions = await connection.fetchval(TRANSITIONS, RULES)
        deep = await connection.fetchval(TRANSITIONS, list(depth.RULES))
        return readings, transitions, deep
    finally:
        await connection.close()


def missed(plan: Plan, raised: set[str]) -> dict[str, float]:
    """The causes without an alert, and when each was past its limit."""
    highest: dict[str, tuple[float, float]] = {}
    for at, _, asset, _, value in cause_steps(plan):
        highest[asset] = max(highest.get(asset, (value, at)), (value, at))
    return {asset: round(at, 1) for asset, (_, at) in highest.items() if asset not in raised}


async def judge(city: City, plan: Plan, story: Story, sender: Sender, screen: Screen) -> list[Check]:
    """Every promise of the kill test."""
    connection = await asyncpg.connect(city.postgres.dsn())
    try:
        readings = await connection.fetchval("SELECT count(*) FROM reading")
        alerts = await connection.fetchval("SELECT count(*) FROM alert WHERE rule = ANY($1)", RULES)
        groups = await connection.fetch("SELECT DISTINCT group_key FROM alert WHERE rule = ANY($1)", RULES)
        kinds = await connection.fetch(
            """SELECT h.kind, count(*) AS times FROM alert_history h JOIN alert a ON a.id = h.alert_id
               WHERE a.rule = ANY($1) GROUP BY h.kind ORDER BY h.kind""",
            RULES,
        )
        deep = await connection.fetch(
            """SELECT a.rule, a.group_key, h.kind FROM alert_history h JOIN alert a ON a.id = h.alert_id
               WHERE a.rule = ANY($1) ORDER BY h.seq""",
            list(depth.RULES),
        )
        reports = await connection.fetchval("SELECT count(*) FROM report")
        seqs = [row["seq"] for row in await connection.fetch("SELECT seq FROM alert_history ORDER BY seq")]
        dead = await connection.fetchval("SELECT count(*) FROM dead_letter")
        conflicts = await connection.fetchval("SELECT count(*) FROM conflict")
    finally:
        await connection.close()
    ledger = city.command("ledger", "--verify")
    return [
        Check("every record was taken by the broker", (sender.failed, sender.taken), (0, sender.sent)),
        Check("rows = distinct readings sent", readings, expected_readings(plan, story, sender)),
        Check(
            "rows = distinct reports sent",
            reports,
            len({step.subject for step in story.steps if not step.measurements}),
        ),
        Check("alerts = causes", alerts, plan.causes),
        Check("no cause was missed (asset: second of the run)", missed(plan, {row["group_key"] for row in groups}), {}),
        Check(
            "each raised once, every second one cleared once",
            {row["kind"]: row["times"] for row in kinds},
            {"cleared": plan.causes // 2, "raised": plan.causes} if plan.causes > 1 else {"raised": plan.causes},
        ),
        *(
            Check(f"{rule}: every cause and nothing else", found[rule], story.expected[rule])
            for found in [came_of([tuple(row) for row in deep])]
            for rule in depth.RULES
        ),
        Check("seq has no gap", seqs, list(range(1, len(seqs) + 1))),
        Check("every transition once on the screen, in order", screen.shown, seqs),
        Check("the screen saw no gap", (screen.gaps, screen.holes), (0, [])),
        Check("nothing was refused, nothing conflicts", (dead, conflicts), (0, 0)),
        Check(
            f"ledger --verify{'' if not ledger.returncode else ': ' + ledger.stdout + ledger.stderr}",
            ledger.returncode,
            0,
        ),
    ]
