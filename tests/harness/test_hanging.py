"""A loop without end is waited for once, and costs what hangs."""

from collections.abc import Callable
from pathlib import Path

from grader.records import Status
from tests.harness.bench import RUBRIC, open_bench, unshrunk

SECONDS = 2


def test_one_place_that_hangs_costs_one_limit(write: Callable[..., Path]) -> None:
    """Every check that needs it fails, the later ones after less time and with that reason; the others are judged."""
    first = '        for name, value in (("prediction", prediction), ("target", target)):\n'
    source = write(None, ("dlvc/metrics.py", first, f"        while True: pass\n{first}"))
    metrics = [check.id for check in RUBRIC.checks if check.part == "metrics"]
    with open_bench() as bench, unshrunk(5):
        outcomes = bench.grade(source, metrics, seconds=SECONDS).outcomes
    lost = [outcome.finding.message for outcome in outcomes.values() if "No answer within" in outcome.finding.message]
    assert len(lost) > len(metrics) / 2
    assert lost[0].startswith("No answer within 2 s")
    assert all(message.startswith("No answer within 0.5 s") and "less time" in message for message in lost[1:])
    assert outcomes["metrics.nothing_seen"].status is not Status.UNSCORED
