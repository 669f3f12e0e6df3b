"""What the simulated city goes through: a scenario, at once or when what an earlier run left open has cleared."""

from collections.abc import Callable
from typing import Final

from citywatch.supervisor.child import Child
from citywatch.supervisor.settling import Settling

CALM: Final = "calm"


class Story:
    """One scenario, told once."""

    def __init__(self, scenario: str, seed: int, rate: float, tell: Callable[[str], None]) -> None:
        self.scenario = scenario
        self._seed = seed
        self._rate = rate
        self._tell = tell
        self._settling: Settling | None = None

    @property
    def waits(self) -> bool:
        """Whether the scenario has yet to begin."""
        return self._settling is not None

    @property
    def command(self) -> list[str]:
        """What simulates the city now."""
        return self.simulate(CALM if self.waits else self.scenario)

    def simulate(self, scenario: str) -> list[str]:
        """The command of a scenario in this city."""
        return ["simulate", "--scenario", scenario, "--seed", str(self._seed), "--rate", str(self._rate)]

    async def prepare(self, dsn: str) -> None:
        """Look for what an earlier run left open. Raises what the database raises."""
        if self.scenario == CALM:
            return
        settling = Settling(dsn)
        if left := await settling.left():
            self._settling = settling
            self._tell(f"An earlier run left open alerts ({left}): the city is calm until they clear.")

    async def go_on(self, simulate: Child) -> None:
        """The scenario begins when what an earlier run left has cleared."""
        if self._settling is None or not await self._settling.over():
            return
        self._settling = None
        await simulate.stop()
        simulate.next_runs(self.command)
        await simulate.start()
        self._tell(f"The scenario {self.scenario} begins.")
