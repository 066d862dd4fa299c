"""Hand-ins of the published handout judge the checks: none of their authors has seen one.

Whoever wrote a hand-in decided beforehand, from the handout alone, which checks a fair tutor would fail.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.intake import take_in
from tests.harness.bench import FEW_EXAMPLES, RUBRIC, Bench, open_bench, unshrunk
from tests.submissions.original_hand_ins import BY_READING, PARTS, HandIn, allowed, hand_ins

ASKED = RUBRIC.asked_by("original")
# Some of the ways in which right ones lost points, or in which experiments hid; all others are nightly.
BY_DAY = {"logger_left_out", "nbsp_in_metrics", "cluster_environ", "scripts_without_guard"}
HAND_INS = hand_ins()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Both workers, started once."""
    with open_bench() as opened:
        yield opened


def each() -> pytest.MarkDecorator:
    """One test for each hand-in."""
    nightly = {one.name: () if one.name in BY_DAY else (pytest.mark.nightly,) for one in HAND_INS}
    return pytest.mark.parametrize(
        "hand_in", [pytest.param(one, id=one.name, marks=nightly[one.name]) for one in HAND_INS]
    )


@each()
def test_verdicts_are_those_of_a_fair_tutor(bench: Bench, hand_in: HandIn, tmp_path: Path) -> None:
    """What has to pass passes, what has to fail fails, and what only follows from another mistake costs nothing."""
    wanted = [check.id for check in RUBRIC.checks if check.part in (hand_in.parts or PARTS)]
    with unshrunk(FEW_EXAMPLES):
        outcomes = bench.grade(hand_in.make(tmp_path), wanted).outcomes
    surprises = [
        f"{name}: {outcome.status.value}: {outcome.finding.message}"
        for name, outcome in outcomes.items()
        if outcome.status not in allowed(ASKED, name, hand_in, outcomes)
        and name not in BY_READING.get(hand_in.name, ())
    ]
    assert not surprises, "\n".join(surprises)
    settled = [
        name
        for name in BY_READING.get(hand_in.name, ())
        if outcomes[name].status in allowed(ASKED, name, hand_in, outcomes)
    ]
    assert not settled, "these verdicts are right now: take them off the list"


@each()
def test_the_edition_is_found(hand_in: HandIn, tmp_path: Path) -> None:
    """Each is taken for what it is, a hand-in of the published handout, with the evidence in a note."""
    submission = take_in(hand_in.make(tmp_path), tmp_path / "tree")
    assert submission.edition == "original"
    assert any("published handout" in note.message for note in submission.notes)


def test_the_list_holds_together() -> None:
    """At least 40 hand-ins, none listed without its files; the checks that are named exist."""
    assert len(HAND_INS) >= 40
    known = {check.id for check in RUBRIC.checks} | {"smoke.fcn", "smoke.segformer"}
    for one in HAND_INS:
        assert one.fails | one.open <= known, one.name
    assert {one.name for one in HAND_INS} >= BY_DAY
