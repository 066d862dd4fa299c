"""Whether every planted mistake fails exactly its checks, is recognised by what comes out, and never misnamed."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from grader.naming import chosen
from tests.harness.bench import RUBRIC, Bench
from tests.submissions.planted import Planted, wrong_submissions
from tests.verdicts.benches import on_benches
from tests.verdicts.results import keep


class Verdict(NamedTuple):
    """What was said of a mistake.

    `surprise` tells where it did not fail what it should, `names` what its failures were called, `otherwise` the same
    if its own patch were not among the known ones, `seconds` what grading and naming took.
    """

    surprise: str
    names: frozenset[str]
    otherwise: frozenset[str]
    seconds: tuple[float, float]


def mistakes(*names: str, processes: int | None = None) -> bool:
    """Grade every planted mistake and ask for its name: once as it is, once without its own patch among the known.

    A mistake that nobody knows has to be left without a name, or get one that is true of it, too: those names are
    printed, to be judged by a person.

    Args:
        names: of mistakes; nothing is kept if some are named.
        processes: gradings at the same time, one a core if not given.
    """
    began = time.monotonic()
    chosen_ones = [planted for planted in wrong_submissions() if not names or planted.name in names]
    found: dict[Planted, Verdict] = {}
    for planted, verdict in on_benches(judged, chosen_ones, processes):
        found[planted] = verdict
        for line in remarks(planted, verdict):
            print(line, flush=True)
    patched = {planted: verdict for planted, verdict in found.items() if planted.patch.exists()}
    figures = {
        "mistakes": len(found),
        "caught": sum(not verdict.surprise for verdict in found.values()),
        "with_patch": len(patched),
        "named": sum(planted.what in verdict.names for planted, verdict in patched.items()),
        "unnamed": sorted(planted.name for planted, verdict in patched.items() if not verdict.names),
        "misnamed": {p.name: sorted(v.names - {p.what}) for p, v in patched.items() if v.names - {p.what}},
        "otherwise": {p.name: sorted(v.otherwise - {p.what}) for p, v in patched.items() if v.otherwise - {p.what}},
        "seconds_to_grade": round(sum(verdict.seconds[0] for verdict in found.values()) / len(found), 2),
        "seconds_to_name": round(sum(verdict.seconds[1] for verdict in found.values()) / len(found), 2),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    if not names:
        keep("mistakes", figures)
    print(f"{figures['caught']} of {len(found)} caught exactly, {figures['named']} of {len(patched)} named")
    return figures["caught"] == len(found) and not figures["misnamed"]


def judged(bench: Bench, planted: Planted) -> Verdict:
    """Grade a mistake with the checks of its parts, and name it with and without its own patch."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        graded = bench.grade(planted.make(Path(folder)), planted.checks(RUBRIC))
    middle = time.monotonic()
    explaining = bench.recogniser.explaining(graded.outcomes, graded.calls)
    others = [one for one in explaining if one.mistake.name != planted.name]
    whole, rest = (
        frozenset(mistake.what for mistake in chosen(some, graded.calls).values()) for some in (explaining, others)
    )
    seconds = (middle - began, time.monotonic() - middle)
    return Verdict(planted.surprises(graded.outcomes, RUBRIC), whole, rest, seconds)


def remarks(planted: Planted, verdict: Verdict) -> Iterator[str]:
    """What a person should look at."""
    if verdict.surprise:
        yield f"not caught as planted: {planted.name}: {verdict.surprise}"
    if planted.patch.exists() and planted.what not in verdict.names:
        yield f"no name: {planted.name}"
    for what in sorted(verdict.names - {planted.what}):
        yield f"wrong name: {planted.name}: {what}"
    for what in sorted(verdict.otherwise - {planted.what}):
        yield f"if it were not known: {planted.name}: {what}"
