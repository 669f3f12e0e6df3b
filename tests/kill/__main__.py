"""Run the kill test and leave with 0 when every promise held."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from tests.kill.city import City, Worker
from tests.kill.depth import story, times_each
from tests.kill.plan import KINDS, Plan, Strike, make
from tests.kill.screen import Screen
from tests.kill.sender import Sender
from tests.kill.verdict import counted, expected_readings, expected_transitions, judge

SETTLE_SECONDS = 180.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="a smoke that sends this long, not a full run")
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--causes", type=int, default=200)
    parser.add_argument("--strikes", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="folder for logs and data; default: a temporary one")
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    if options.seconds:
        length = max(30.0, options.seconds)
        return make(options.seed, length, int(length * 1_000), int(length / 2), int(length / 12), full=False)
    length = max(300.0, options.readings / 2_500)
    return make(options.seed, length, options.readings, options.causes, options.strikes, full=True)


class Run:
    """One run of the plan."""

    def __init__(self, city: City, plan: Plan) -> None:
        self.city, self.plan = city, plan
        self.chance = random.Random(plan.seed + 1)
        self.began = time.monotonic()
        self.struck = 0
        self.story = story(plan)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    async def run(self) -> bool:
        self.city.start()
        for kind in KINDS:
            self.city.add(kind)
        self.say(f"broker, database and one worker of each kind run; seed {self.plan.seed}")
        screen = Screen(lambda: [worker.port for worker in self.city.of("center")])
        sender = Sender(self.city.broker.bootstrap, self.plan)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(screen.follow())
            keeping = group.create_task(self.keep())
            await self.ready()
            steady = group.create_task(sender.steady())
            async with asyncio.TaskGroup() as flowing:
                flowing.create_task(sender.mass())
                flowing.create_task(sender.causes())
                flowing.create_task(sender.depth(self.story))
                flowing.create_task(self.strike())
            settled = await self.settle(screen, sender)
            steady.cancel()
            await sender.flush()
            self.say(f"all is sent: {sender.taken} records taken, {sender.failed} not")
            settled += await self.settle(screen, sender)
            self.say(f"settled after {settled:.1f} s; screen connected {screen.connections} times")
            watching.cancel()
            keeping.cancel()
        checks = await judge(self.city, self.plan, self.story, sender, screen)
        for check in checks:
            mark = "ok  " if check.holds else "FAIL"
            self.say(
                f"{mark} {check.says}" + ("" if check.holds else f": {brief(check.found)} not {brief(check.expected)}")
            )
        unfired = [worker.name + " " + worker.armed for worker in self.city.workers if worker.armed]
        if unfired:
            self.say(f"     note: armed but never reached: {', '.join(unfired)}")
        return all(check.holds for check in checks)

    async def ready(self) -> None:
        """The alert workers watch their sectors: a first start begins at the broker's end as it is when the sector is
        taken, which is a while after the worker has become its owner; a cause sent before counts for nothing."""
        connection = await asyncpg.connect(self.city.postgres.dsn())
        try:
            async with asyncio.timeout(60):
                while (
                    await connection.fetchval(
                        "SELECT count(*) FROM alert_owner WHERE sector = ANY($1) AND step >= 2",
                        ["traffic", "environment"],
                    )
                    < 2
                ):
                    await asyncio.sleep(0.2)
        finally:
            await connection.close()
        self.say("alert workers watch their sectors")

    async def keep(self) -> None:
        while True:
            for news in self.city.tick():
                self.say(news)
            await asyncio.sleep(0.1)

    async def strike(self) -> None:
        began = time.monotonic()
        doubled = False
        for strike in [*self.plan.strikes, Strike(self.plan.seconds, "", "end")]:
            while (wait := began + strike.at - time.monotonic()) > 0:
                if not doubled and time.monotonic() - began >= self.plan.seconds / 2:
                    doubled = True
                    for kind in KINDS:
                        self.city.add(kind)
                    self.say("two workers of each kind from now on")
                await asyncio.sleep(min(wait, 0.1))
            if strike.action != "end":
                self.say(self.carry_out(strike))

    def carry_out(self, strike: Strike) -> str:
        self.struck += 1
        if strike.kind == "database":
            self.city.kill_database()
            return "database killed and started again"
        worker: Worker = self.chance.choice(self.city.of(strike.kind))
        match strike.action:
            case "pause":
                self.city.pause(worker, strike.seconds)
                return f"{worker.name} paused for {strike.seconds:.0f} s"
            case "arm":
                self.city.kill(worker, arm=strike.failpoint)
                return f"{worker.name} killed; it comes back to die at {strike.failpoint}"
        self.city.kill(worker, arm=worker.armed)
        return f"{worker.name} killed"

    async def settle(self, screen: Screen, sender: Sender) -> float:
        """Wait until everything expected has arrived and the screen has the newest seq, or patience ends."""
        began = time.monotonic()
        transitions = (self.plan.causes + self.plan.causes // 2, expected_transitions(self.story))
        readings = expected_readings(self.plan, self.story, sender)  # those of now, while the steady ones go on
        while time.monotonic() - began < SETTLE_SECONDS:
            paused = any(worker.paused_until for worker in self.city.workers)
            try:
                stored, *told = await counted(self.city.postgres.dsn())
                if not paused and stored >= readings and tuple(told) == transitions and await self.shown(screen):
                    break
            except (OSError, asyncpg.PostgresError):
                pass
            await asyncio.sleep(0.5)
        return time.monotonic() - began

    async def shown(self, screen: Screen) -> bool:
        connection = await asyncpg.connect(self.city.postgres.dsn())
        try:
            newest: int = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM alert_history")
            return screen.have == newest
        finally:
            await connection.close()


def brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:140]} … {text[-140:]}"


def main() -> int:
    options = arguments()
    plan = plan_of(options)
    print(
        f"kill test on {options.broker}: {plan.readings} readings, {plan.causes} alert causes, "
        f"{times_each(plan)} of each other kind, "
        f"{len(plan.strikes)} strikes in {plan.seconds:.0f} s"
    )
    folder = options.keep or Path(tempfile.mkdtemp(prefix="citywatch-kill-"))
    city = City(folder, options.broker)
    try:
        held = asyncio.run(Run(city, plan).run())
    finally:
        city.stop()
    if held and not options.keep:
        shutil.rmtree(folder)
    print("every promise held" if held else f"a promise was broken; logs, log and database are kept in {folder}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
