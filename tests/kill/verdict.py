"""What must hold at the end, asked of the database, the broker and the screen."""

from dataclasses import dataclass

import asyncpg

from tests.kill.city import City
from tests.kill.plan import Plan, cause_steps
from tests.kill.screen import Screen
from tests.kill.sender import Sender

RULES = ["kill-queue", "kill-flood"]


@dataclass(frozen=True)
class Check:
    """One promise: what it says, and what was found against what must be."""

    says: str
    found: object
    expected: object

    @property
    def holds(self) -> bool:
        return self.found == self.expected


async def counted(dsn: str) -> tuple[int, int]:
    """Rows of `reading`, and transitions of the rules under test: what has arrived so far."""
    connection = await asyncpg.connect(dsn)
    try:
        readings = await connection.fetchval("SELECT count(*) FROM reading")
        transitions = await connection.fetchval(
            "SELECT count(*) FROM alert_history h JOIN alert a ON a.id = h.alert_id WHERE a.rule = ANY($1)", RULES
        )
        return readings, transitions
    finally:
        await connection.close()


def missed(plan: Plan, raised: set[str]) -> dict[str, float]:
    """The causes without an alert, and when each was past its limit."""
    highest: dict[str, tuple[float, float]] = {}
    for at, _, asset, _, value in cause_steps(plan):
        highest[asset] = max(highest.get(asset, (value, at)), (value, at))
    return {asset: round(at, 1) for asset, (_, at) in highest.items() if asset not in raised}


async def judge(city: City, plan: Plan, sender: Sender, screen: Screen) -> list[Check]:
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
        seqs = [row["seq"] for row in await connection.fetch("SELECT seq FROM alert_history ORDER BY seq")]
        dead = await connection.fetchval("SELECT count(*) FROM dead_letter")
        conflicts = await connection.fetchval("SELECT count(*) FROM conflict")
    finally:
        await connection.close()
    ledger = city.command("ledger", "--verify")
    return [
        Check("every record was taken by the broker", (sender.failed, sender.taken), (0, sender.sent)),
        Check("rows = distinct readings sent", readings, plan.readings + plan.cause_readings),
        Check("alerts = causes", alerts, plan.causes),
        Check("no cause was missed (asset: second of the run)", missed(plan, {row["group_key"] for row in groups}), {}),
        Check(
            "each raised once, every second one cleared once",
            {row["kind"]: row["times"] for row in kinds},
            {"cleared": plan.causes // 2, "raised": plan.causes} if plan.causes > 1 else {"raised": plan.causes},
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
