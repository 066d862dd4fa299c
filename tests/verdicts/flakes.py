"""Whether a verdict depends on luck: the suites with many seeds, on what has to get full points."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from grader.files import CHECKS
from tests.harness.bench import RUBRIC, Bench
from tests.submissions.planted import PARTS, REFERENCE, SOLUTION, Planted, right_submissions
from tests.verdicts.benches import on_benches
from tests.verdicts.results import keep, kept

# Submissions that change how the solution is packed, and none of its code, are graded with one seed in so many.
PACKED = 10
# Seeds between two moments of keeping: starting the workers anew costs seconds.
AT_ONCE = 5


class Case(NamedTuple):
    """A submission, the seed that it is graded with, and the part whose checks are run."""

    planted: Planted
    seed: int
    part: str


def flakes(*parts: str, seeds: int = 30, processes: int | None = None) -> bool:
    """Grade the solution and every right submission with many seeds, and note each check that does not pass.

    A submission is graded with the checks of those parts that judge the files that it changes. Figures are kept every
    few seeds, so a run broken off goes on where it was, unless the checks or the solution have changed since.

    Args:
        parts: ids of the parts to measure, all but the smoke trainings if none is named.
        seeds: 0 to below this number.
        processes: gradings at the same time, one a core if not given.
    """
    measured = (kept("flakes") or {"parts": {}})["parts"]
    for part in parts or list(dict.fromkeys(check.part for check in RUBRIC.checks)):
        known = measured.get(part)
        if known is None or known["sources"] != digest(part) or known["seeds"] > seeds:
            known = {"sources": digest(part), "seeds": 0, "submissions": 0, "gradings": 0, "checks": 0, "flakes": []}
        while known["seeds"] < seeds:
            some = range(known["seeds"], min(known["seeds"] + AT_ONCE, seeds))
            measured[part] = known = added(known, list(on_benches(graded, list(cases(part, some)), processes)))
            known["seeds"] = some.stop
            keep("flakes", {"parts": measured})
        print(f"{part}: {known['gradings']} gradings with {known['seeds']} seeds, {len(known['flakes'])} flakes")
    return not any(part["flakes"] for part in measured.values())


def added(known: dict[str, Any], found: list[tuple[Case, tuple[str, int]]]) -> dict[str, Any]:
    """The figures of a part with further gradings; what did not pass is told at once."""
    flaky = [
        {"submission": case.planted.name, "seed": case.seed, "surprise": surprise.strip()}
        for case, (surprise, _) in found
        if surprise
    ]
    for one in flaky:
        print(f"{one['submission']}, seed {one['seed']}: {one['surprise']}", flush=True)
    return known | {
        "submissions": max(known["submissions"], len({case.planted.name for case, _ in found})),
        "gradings": known["gradings"] + len(found),
        "checks": known["checks"] + sum(checks for _, (_, checks) in found),
        "flakes": known["flakes"] + flaky,
    }


def cases(part: str, seeds: Iterable[int]) -> Iterator[Case]:
    """The solution and the right submissions of a part, seed by seed: what the solution answers is of use to all."""
    right = [SOLUTION, *right_submissions()]
    for seed in seeds:
        for planted in right:
            packed = not planted.patch.exists() and planted != SOLUTION
            # Every patch may change whether a hand-in is complete; only some are about the files in it.
            concerned = part in planted.parts and (part != "handin" or planted.parts == ("handin",))
            if concerned or (not planted.parts and not (packed and seed % PACKED)):
                yield Case(planted, seed, part)


def graded(bench: Bench, case: Case) -> tuple[str, int]:
    """What came out otherwise than planted, and how many checks were run."""
    checks = [check.id for check in RUBRIC.checks if check.part == case.part]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = bench.grade(case.planted.make(Path(folder)), checks, seed=case.seed).outcomes
    return case.planted.surprises(outcomes, RUBRIC), len(outcomes)


def digest(part: str) -> str:
    """SHA-256 of a part's suite and of the solution's files that it judges, to tell whether figures are of today."""
    judged = [name for name, of_parts in PARTS.items() if part in of_parts]
    files = [
        CHECKS / f"test_{part}.py",
        *sorted(
            path for path in REFERENCE.rglob("*.py") if path.relative_to(REFERENCE).as_posix().startswith(tuple(judged))
        ),
    ]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
