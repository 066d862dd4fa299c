"""How often a planted mistake is recognised by what comes out, and whether it is ever taken for another one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from grader.naming import chosen
from tests.harness.bench import RUBRIC, Bench
from tests.submissions.planted import Planted, wrong_submissions
from tests.verdicts.benches import on_benches
from tests.verdicts.results import keep


def names(*, processes: int | None = None) -> bool:
    """Grade every planted mistake and ask for its name: once as it is, once without its own patch among the known.

    A mistake that nobody knows has to be left without a name, or get one that is true of it, too: those names are
    printed, to be judged by a person.

    Args:
        processes: gradings at the same time, one a core if not given.
    """
    found = {}
    for planted, said in on_benches(named, wrong_submissions(), processes):
        found[planted] = said
        for line in _remarks(planted, *said):
            print(line, flush=True)
    patched = {planted: said for planted, said in found.items() if planted.patch.exists()}
    right = [planted for planted, (whole, _) in patched.items() if planted.what in whole]
    wrong = {planted.name: sorted(whole - {planted.what}) for planted, (whole, _) in patched.items()}
    others = {planted.name: sorted(rest - {planted.what}) for planted, (_, rest) in patched.items()}
    keep(
        "names",
        {
            "mistakes": len(found),
            "without_patch": len(found) - len(patched),
            "named": len(right),
            "unnamed": sorted({planted.name for planted in patched} - {planted.name for planted in right}),
            "misnamed": {name: given for name, given in wrong.items() if given},
            "others": {name: given for name, given in others.items() if given},
        },
    )
    print(f"{len(right)} of {len(patched)} mistakes named")
    return not any(wrong.values())


def _remarks(planted: Planted, whole: set[str], rest: set[str]) -> Iterator[str]:
    """What a person should look at."""
    if planted.patch.exists() and planted.what not in whole:
        yield f"no name: {planted.name}"
    for what in sorted(whole - {planted.what}):
        yield f"wrong name: {planted.name}: {what}"
    for what in sorted(rest - {planted.what}):
        yield f"if it were not known: {planted.name}: {what}"


def named(bench: Bench, planted: Planted) -> tuple[set[str], set[str]]:
    """What is said of a mistake, with its own patch among the known ones and without."""
    with tempfile.TemporaryDirectory() as folder:
        graded = bench.grade(planted.make(Path(folder)), planted.checks(RUBRIC))
    explaining = bench.recogniser.explaining(graded.outcomes, graded.calls)
    others = [one for one in explaining if one.mistake.name != planted.name]
    return tuple({one.what for one in chosen(some, graded.calls).values()} for some in (explaining, others))
