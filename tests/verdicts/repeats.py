"""Which planted mistakes repeat what others show: they fail the same checks, at the same lines of these checks."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from grader.checking import CheckFailed
from grader.files import CHECKS, ROOT
from grader.sandbox import WorkerLost
from tests.harness.bench import FEW_EXAMPLES, RUBRIC, Bench, SomeChecks, check_id, unshrunk
from tests.submissions.planted import REPEATED, Planted, wrong_submissions
from tests.verdicts.benches import on_benches

# Where a check and what it is written with decide that a submission fails.
DECIDING = (CHECKS, ROOT / "grader" / "checking")
LEAST_SECONDS = 0.3  # what taking a submission in costs, whatever is checked

Place = tuple[str, ...]


class Shown(NamedTuple):
    """Where a mistake fails, by check and lines of code, and how long it took."""

    places: frozenset[Place]
    seconds: float


class Lines(SomeChecks):
    """Notes through which lines of the deciding code each failure went."""

    def __init__(self, *positional: object, **named: object) -> None:
        super().__init__(*positional, **named)  # type: ignore[arg-type]
        self.places: set[Place] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Look at the traceback before the exception is turned into an outcome."""
        if call.excinfo is not None and isinstance(call.excinfo.value, (CheckFailed, WorkerLost)):
            entries = [entry for entry in call.excinfo.traceback if Path(entry.path).is_relative_to(DECIDING[0])]
            entries += [entry for entry in call.excinfo.traceback if Path(entry.path).is_relative_to(DECIDING[1])]
            lines = (f"{Path(entry.path).name}:{entry.lineno}" for entry in entries)
            self.places.add((check_id(item), *lines))
        return (yield from super().pytest_runtest_makereport(item, call))


def repeats(*, processes: int | None = None) -> bool:
    """Choose mistakes that together fail every check at every line where any of them does; list the others.

    The others are nightly tests: what they show is shown by the chosen ones, too.

    Args:
        processes: submissions at the same time, one a core if not given.
    """
    mistakes = wrong_submissions()
    shown = {planted.name: what for planted, what in on_benches(watched, mistakes, processes)}
    chosen = cover(shown)
    others = [planted.name for planted in mistakes if planted.name not in chosen]
    REPEATED.write_text("".join(f"{name}\n" for name in others), encoding="utf-8")
    print(f"{len(mistakes)} mistakes, of which {len(others)} fail where others do: {REPEATED.relative_to(ROOT)}")
    return True


def watched(bench: Bench, planted: Planted) -> Shown:
    """Where a mistake fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, unshrunk(FEW_EXAMPLES):
        plugin, _ = bench._run(Lines, planted.make(Path(folder)), planted.checks(RUBRIC), None, 1)
    return Shown(frozenset(plugin.places), max(time.monotonic() - began, LEAST_SECONDS))


def cover(shown: Mapping[str, Shown]) -> set[str]:
    """Names whose places are all places, the most new ones in the least time first."""
    left, chosen = set[Place]().union(*(one.places for one in shown.values())), set[str]()
    while left:
        best = max(shown, key=lambda name: len(shown[name].places & left) / shown[name].seconds)
        chosen.add(best)
        left -= shown[best].places
    return chosen
