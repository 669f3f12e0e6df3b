"""What the demo says holds for the scenario that it was started with."""

from pathlib import Path

import pytest

from citywatch import preflight
from citywatch.supervisor.greeting import greeting
from citywatch.supervisor.state import DemoState
from simulation.scenario import SCENARIOS


def said(scenario: str, *, waits: bool = False, directory: Path = Path(preflight.STATE)) -> str:
    return greeting(
        seconds=12.3,
        port=8701,
        wall="http://127.0.0.1:8701/wall#link=abc",
        password=None,
        bootstrap="127.0.0.1:9092",
        scenario=SCENARIOS[scenario],
        waits=waits,
        state=DemoState(directory),
    )


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_it_tells_of_its_own_scenario_and_of_another_one(name: str) -> None:
    (line,) = [line for line in said(name).splitlines() if line.startswith("Try:")]
    assert f"the {name} scenario" in line
    assert ("SCENARIO=flood" in said(name)) == (name != "flood")


def test_a_story_that_waits_is_not_promised_for_now() -> None:
    assert "watch the wall; within a minute the welcome" in said("welcome")
    assert "watch the wall; once it is clear, within a minute the welcome" in said("welcome", waits=True)


def test_what_it_tells_to_type_acts_on_its_own_folder(tmp_path: Path) -> None:
    default = said("welcome")
    for command in ("make demo-stop", "make demo-reset", "make demo SCENARIO=flood"):
        assert f"`{command}`" in default
    other = said("welcome", directory=tmp_path / "an other")
    assert "make" not in other
    for options in ("--stop", "--reset", "--port 8701 --scenario flood"):
        assert f"citywatch demo --directory '{tmp_path / 'an other'}' {options}`" in other
