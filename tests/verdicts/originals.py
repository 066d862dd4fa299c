"""How right the verdicts are on hand-ins of the published handout, which other authors wrote and decided."""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from grader.records import Outcome, Status
from tests.harness.bench import RUBRIC, Bench
from tests.submissions.original_hand_ins import PARTS, HandIn, allowed, hand_ins
from tests.verdicts.benches import on_benches
from tests.verdicts.results import keep

ASKED = RUBRIC.asked_by("original")
# A check of Part 3 is about one rule of training: what it says is the mistake. Elsewhere a wrong value may be of many.
BY_VALUE, BY_RULE = ("metrics", "segformer"), "trainer"
SCRIPTS = ("fcn", "pretraining")


class Verdict(NamedTuple):
    """What came of a hand-in.

    `outcomes` and `names`, given to failures, are by the check's id; `open` is the share of the points of Parts 4 and 6
    that nobody has judged.
    """

    outcomes: dict[str, Outcome]
    names: dict[str, str]
    open: float
    seconds: float


def originals(*names: str, processes: int | None = None) -> bool:
    """Grade every hand-in of the published handout and compare with what its author has decided.

    The names that its failures get are printed, to be judged by a person.

    Args:
        names: of hand-ins; nothing is kept if some are named.
        processes: gradings at the same time, one a core if not given.
    """
    began = time.monotonic()
    chosen = [one for one in hand_ins() if not names or one.name in names]
    found: dict[str, tuple[HandIn, Verdict]] = {}
    for hand_in, verdict in on_benches(judged, chosen, processes):
        found[hand_in.name] = hand_in, verdict
        for line in remarks(hand_in, verdict):
            print(f"{hand_in.name}: {line}", flush=True)
    decided = [
        (outcome.status, name in hand_in.fails, outcome.status in allowed(ASKED, name, hand_in, verdict.outcomes))
        for hand_in, verdict in found.values()
        for name, outcome in verdict.outcomes.items()
        if name not in hand_in.open
    ]
    valued = [
        (name, name in verdict.names)
        for _, verdict in found.values()
        for name, outcome in verdict.outcomes.items()
        if name.startswith(BY_VALUE) and _has_value(outcome)
    ]
    figures = {
        "hand_ins": len(found),
        "decided": len(decided),
        "judged_rightly": sum(right and status is not Status.UNSCORED for status, _, right in decided),
        "open": sum(status is Status.UNSCORED for status, _, _ in decided),
        "wrong": sum(not right and status is not Status.UNSCORED for status, _, right in decided),
        "nearly_all_judged": sum(verdict.open <= 0.1 for _, verdict in found.values()),
        "points_judged": round(1 - sum(verdict.open for _, verdict in found.values()) / len(found), 3),
        "failures_with_a_value": len(valued),
        "named": sum(named for _, named in valued),
        "failures_of_a_rule": sum(
            outcome.status is Status.FAILED
            for _, verdict in found.values()
            for name, outcome in verdict.outcomes.items()
            if name.startswith(BY_RULE)
        ),
        "seconds": round(sum(verdict.seconds for _, verdict in found.values()) / len(found), 1),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    if not names:
        keep("originals", figures)
    print(figures)
    return figures["wrong"] == 0


def judged(bench: Bench, hand_in: HandIn) -> Verdict:
    """Grade a hand-in with the checks of its parts, and name its failures."""
    began = time.monotonic()
    wanted = [check.id for check in RUBRIC.checks if check.part in (hand_in.parts or PARTS)]
    with tempfile.TemporaryDirectory() as folder:
        graded = bench.grade(hand_in.make(Path(folder)), wanted)
    names = {check: mistake.what for check, mistake in bench.recogniser.names(graded.outcomes, graded.calls).items()}
    points = {check.id: check.points for check in ASKED.checks if check.part in SCRIPTS}
    left = sum(points[name] for name, outcome in graded.outcomes.items() if name in points and _is_open(outcome))
    return Verdict(graded.outcomes, names, left / sum(points.values()), time.monotonic() - began)


def _is_open(outcome: Outcome) -> bool:
    return outcome.status is Status.UNSCORED


def _has_value(outcome: Outcome) -> bool:
    """Whether a check failed since something else came out, not since nothing did."""
    return outcome.status is Status.FAILED and outcome.finding.traceback is None and outcome.finding.found is not None


def remarks(hand_in: HandIn, verdict: Verdict) -> list[str]:
    """What a person should look at: verdicts that are not the author's, and names."""
    lines = [
        f"{name} {outcome.status.value}, which is not the author's verdict: {outcome.finding.message}"
        for name, outcome in verdict.outcomes.items()
        if outcome.status not in allowed(ASKED, name, hand_in, verdict.outcomes)
    ]
    return lines + [f"{name} is called: {what}" for name, what in verdict.names.items()]
