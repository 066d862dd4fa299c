"""How often a planted mistake is recognised by what comes out, and whether it is ever taken for another one."""

import tempfile
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
    found = dict(on_benches(named, wrong_submissions(), processes))
    patched = [planted for planted in found if planted.patch.exists()]
    right = [planted for planted in patched if planted.what in found[planted][0]]
    wrong = {planted.name: sorted(found[planted][0] - {planted.what}) for planted in patched}
    others = {planted.name: sorted(found[planted][1] - {planted.what}) for planted in patched}
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
    for planted in patched:
        if planted not in right:
            print(f"no name: {planted.name}")
    for name, given in wrong.items():
        if given:
            print(f"wrong name: {name}: {given}")
    for name, given in others.items():
        if given:
            print(f"taken for another, were it not known: {name}: {given}")
    print(f"{len(right)} of {len(patched)} mistakes named")
    return not any(wrong.values())


def named(bench: Bench, planted: Planted) -> tuple[set[str], set[str]]:
    """What is said of a mistake, with its own patch among the known ones and without."""
    with tempfile.TemporaryDirectory() as folder:
        graded = bench.grade(planted.make(Path(folder)), planted.checks(RUBRIC))
    explaining = bench.recogniser.explaining(graded.outcomes, graded.calls)
    others = [one for one in explaining if one.mistake.name != planted.name]
    return tuple({one.what for one in chosen(some, graded.calls).values()} for some in (explaining, others))
