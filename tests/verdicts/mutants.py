"""Mutation testing of all that students write, with the graded checks as the judge."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

from grader.records import Status
from grader.starter import regions
from tests.harness.bench import RUBRIC, Bench
from tests.submissions.planted import NOT_HANDED_IN, PARTS, REFERENCE
from tests.verdicts.benches import on_benches
from tests.verdicts.equivalents import Equivalent, read_equivalents, stale
from tests.verdicts.mutating import Mutant, mutants_of
from tests.verdicts.results import keep

# The slowest check outside of the scripts takes the solution 0.5 s on a quiet machine. A real grading allows more.
SECONDS = 10  # of wall clock, twenty times as much

# What else judges a file: history.csv is the trainer's, and is looked at where a script has written it.
ALSO = {"dlvc/trainer.py": ("fcn",)}


class Verdict(NamedTuple):
    """What became of a mutant.

    Args:
        mutant: which one.
        caught_by: the check that failed, None if none did.
        lost: how its process was lost in that check, if it was: over a limit or dead, rather than wrong.
        unscored: checks that came to no verdict.
    """

    mutant: Mutant
    caught_by: str | None
    lost: str | None
    unscored: tuple[str, ...]


def mutants(*, processes: int | None = None, only: str | None = None) -> bool:
    """Change what students write, one operator or value at a time, and see which changes no check fails.

    A mutant is judged by the checks of its file's part, up to the first that fails. `tests/verdicts/equivalent.toml`
    lists the ones that are no mistakes.

    Args:
        processes: mutants at the same time, one a core if not given.
        only: a file of `reference/`, such as `dlvc/metrics.py`; nothing is kept then.
    """
    made = [mutant for mutant in all_mutants() if only in (None, mutant.file)]
    if not made:
        print(f"{only}: no file of the solution with anything to change")
        return False
    solution = [Mutant(file, "the solution itself", "", "") for file in dict.fromkeys(mutant.file for mutant in made)]
    entries, verdicts = read_equivalents(), []
    for mutant, verdict in on_benches(judge, [*solution, *made], processes):
        if mutant.text:
            verdicts.append(verdict)
            tell(verdict, entries)
        elif verdict.caught_by or verdict.unscored:
            print(f"{mutant.file}: the solution itself does not pass, so that nothing can be told: {verdict}")
            return False
    # Read again, since a survivor that is told may be listed long before all the others are judged.
    return report(verdicts, read_equivalents(), everything=only is None)


def all_mutants() -> Iterator[Mutant]:
    """Every mutant, of the files whose checks are cheap first."""
    for start in PARTS:
        for path in sorted(REFERENCE.rglob("*.py")):
            file, text = path.relative_to(REFERENCE).as_posix(), path.read_text(encoding="utf-8")
            if file.startswith(start) and regions(text):
                yield from mutants_of(file, text)


def judge(bench: Bench, mutant: Mutant) -> Verdict:
    """Run the checks of a mutant's file until one fails; all of them on the solution, which has no text."""
    parts = next(parts for start, parts in PARTS.items() if mutant.file.startswith(start))
    parts += ALSO.get(mutant.file, ())
    checks = [check.id for check in RUBRIC.checks if check.part in parts]
    with tempfile.TemporaryDirectory() as folder:
        source = copytree(REFERENCE, Path(folder, "group_7"), ignore=NOT_HANDED_IN)
        if mutant.text:
            (source / mutant.file).write_text(mutant.text, encoding="utf-8")
        run = bench.until_one_fails(source, checks, SECONDS)
    unscored = tuple(outcome.check for outcome in run.evidence.outcomes.values() if outcome.status is Status.UNSCORED)
    return Verdict(mutant, run.caught and run.caught.check, run.lost and run.lost.message, unscored)


def tell(verdict: Verdict, entries: Sequence[Equivalent]) -> None:
    """Print a mutant that survived, or that was caught by no judgement but since its process was lost."""
    if verdict.caught_by is None and not any(entry.matches(verdict.mutant) for entry in entries):
        left = f"; unscored: {', '.join(verdict.unscored)}" if verdict.unscored else ""
        print(f"\nsurvived{left}\n{verdict.mutant.diff()}", flush=True)
    elif verdict.lost is not None:
        print(f"\ncaught by {verdict.caught_by}: {verdict.lost}\n{verdict.mutant.diff()}", flush=True)


def report(verdicts: Sequence[Verdict], entries: Sequence[Equivalent], *, everything: bool) -> bool:
    """Print what is wrong with the list, and the score; keep the figures of `everything`.

    Returns:
        Whether nothing survived and the list is right.
    """
    files = {verdict.mutant.file for verdict in verdicts}
    of_these = [entry for entry in entries if entry.file in files]
    problems = stale(of_these, [verdict.mutant for verdict in verdicts])
    kinds: dict[str, list[Verdict]] = {"caught": [], "equivalent": [], "survived": []}
    for verdict in verdicts:
        listed = any(entry.matches(verdict.mutant) for entry in of_these)
        if listed and verdict.caught_by:
            problems.append(f"listed as equivalent, but {verdict.caught_by} fails\n{verdict.mutant.diff()}")
        kinds["caught" if verdict.caught_by else "equivalent" if listed else "survived"].append(verdict)
    figures = count(kinds)
    print(*(f"\nequivalent.toml: {problem}" for problem in problems), sep="\n")
    print(*(f"{file}: {told(numbers)}" for file, numbers in figures["files"].items()), sep="\n")
    print(f"all: {told(figures)}; of the caught, {figures['lost']} lost their process")
    if everything and not problems:
        keep("mutants", figures)
    return not kinds["survived"] and not problems


def count(kinds: dict[str, list[Verdict]]) -> dict[str, Any]:
    """The figures that are kept: how many mutants of each kind, in all and by file, and how each was caught."""
    by_file = {kind: Counter(verdict.mutant.file for verdict in verdicts) for kind, verdicts in kinds.items()}
    files = sorted({verdict.mutant.file for verdicts in kinds.values() for verdict in verdicts})
    return {
        **_row({kind: len(verdicts) for kind, verdicts in kinds.items()}),
        "lost": sum(verdict.lost is not None for verdict in kinds["caught"]),
        "files": {file: _row({kind: by_file[kind][file] for kind in kinds}) for file in files},
        "caught_by": dict(Counter(verdict.caught_by for verdict in kinds["caught"]).most_common()),
    }


def _row(numbers: dict[str, int]) -> dict[str, int]:
    return {"mutants": sum(numbers.values()), **numbers}


def told(numbers: dict[str, Any]) -> str:
    """A row of figures in a sentence."""
    return "{mutants} mutants, {caught} caught, {equivalent} equivalent, {survived} survived".format(**numbers)
