"""Whether a verdict depends on luck: the whole suite with many seeds, on what has to get full points."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.harness.bench import RUBRIC, Bench
from tests.submissions.planted import Planted, right_submissions
from tests.verdicts.benches import on_benches
from tests.verdicts.results import keep

REFERENCE = "reference"


class Case(NamedTuple):
    """A submission and the seed that it is graded with."""

    planted: Planted
    seed: int


def flakes(*, seeds: int = 30, processes: int | None = None) -> bool:
    """Grade the solution and every right submission with many seeds, and note each check that does not pass.

    Of a submission that changes a few files the checks of their parts are run, of any other all checks but the smoke
    trainings.

    Args:
        seeds: 0 to below this number.
        processes: gradings at the same time, one a core if not given.
    """
    found = [
        {"submission": case.planted.name, "seed": case.seed, "surprise": surprise.strip(), "checks": checks}
        for case, (surprise, checks) in on_benches(graded, list(cases(seeds)), processes)
    ]
    flaky = [one for one in found if one["surprise"]]
    keep(
        "flakes",
        {
            "seeds": seeds,
            "submissions": len({one["submission"] for one in found}),
            "gradings": len(found),
            "checks": sum(one["checks"] for one in found),
            "flakes": flaky,
        },
    )
    for one in flaky:
        print(f"{one['submission']}, seed {one['seed']}: {one['surprise']}")
    print(f"{len(found)} gradings with {seeds} seeds: {len(flaky)} with a check that did not pass")
    return not flaky


def cases(seeds: int) -> Iterator[Case]:
    """The solution and all right submissions, seed by seed, so that what the solution answers is of use to all."""
    for seed in range(seeds):
        yield from (Case(planted, seed) for planted in (Planted(REFERENCE), *right_submissions()))


def graded(bench: Bench, case: Case) -> tuple[str, int]:
    """What came out otherwise than planted, and how many checks were run."""
    with tempfile.TemporaryDirectory() as folder:
        source = case.planted.make(Path(folder))
        outcomes = bench.grade(source, case.planted.checks(RUBRIC), seed=case.seed).outcomes
    return case.planted.surprises(outcomes, RUBRIC), len(outcomes)
