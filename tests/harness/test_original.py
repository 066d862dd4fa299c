"""Hand-ins of the published handout judge the checks: none of their authors has seen one.

Whoever wrote a hand-in decided beforehand, from the handout alone, which checks a fair tutor would fail.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.intake import take_in
from grader.records import Outcome, Status
from tests.harness.bench import FEW_EXAMPLES, RUBRIC, Bench, open_bench, unshrunk
from tests.submissions.original_hand_ins import HandIn, hand_ins

ASKED = RUBRIC.asked_by("original")
PARTS = ("metrics", "trainer", "fcn", "segformer", "pretraining", "handin")
# Some of the ways in which right ones lost points, or in which experiments hid; all others are nightly.
BY_DAY = {"logger_left_out", "nbsp_in_metrics", "trainer_per_network", "cluster_environ", "yaml_configs_positional"}
# What its author decided by reading the code, and no run shows: a second trainer that one script alone imports, labels
# that a transform of the script shifts where another mistake is in the same place, lines behind the one where it dies,
# an exception that a failed check of the trainer may explain or not.
BY_READING = {
    "batch_means_flip_color": {"pretraining.city_runs"},
    "pet_masks_bilinear": {"trainer.pet_labels"},
    "segformer_trainer_without_eval": {"trainer.validation_mode"},
    "dies_half_way": {
        "pretraining.city_classes",
        "pretraining.ignored_label",
        "pretraining.encoder_loaded",
        "pretraining.frozen_encoder",
        "pretraining.frozen_optimizer",
    },
}
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
        if outcome.status not in allowed(name, hand_in, outcomes) and name not in BY_READING.get(hand_in.name, ())
    ]
    assert not surprises, "\n".join(surprises)
    settled = [
        name for name in BY_READING.get(hand_in.name, ()) if outcomes[name].status in allowed(name, hand_in, outcomes)
    ]
    assert not settled, "these verdicts are right now: take them off the list"


def allowed(name: str, hand_in: HandIn, outcomes: dict[str, Outcome]) -> set[Status]:
    """How a check may end: as its author says, or left open where what it requires has not passed.

    A mistake shows in several checks of its own part: what an author calls open there may fail.
    """
    (check,) = (check for check in ASKED.checks if check.id == name)
    waits = any(outcomes[other].status is not Status.PASSED for other in check.requires if other in outcomes)
    left = {Status.UNSCORED} if waits else set()
    if name in hand_in.fails:
        return {Status.FAILED} | left
    if name in hand_in.open:
        failed = {other.partition(".")[0] for other in hand_in.fails}
        return {Status.PASSED, Status.UNSCORED} | ({Status.FAILED} if check.part in failed else set())
    return {Status.PASSED} | left


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
