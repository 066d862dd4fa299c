"""Smoke trainings: a minute of training by each script, and what its final weights make of unseen pictures.

A training is made by the first check that needs it. Its own curves are only held against its weights; what counts are
the weights, evaluated by the solution's network on pictures whose labels never leave this process.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from grader.checking import CheckFailed, NotScored, Subject
from grader.checking.experiments import Experiments
from grader.checking.script_runs import Made, Runs
from grader.records import Edition, Finding, SmokeTraining, TrainingVerdict
from grader.sandbox import WorkerLost
from grader.smoke.bands import Measurements, load_bands
from grader.smoke.pictures import training_files
from grader.smoke.plans import PLANS, Plan
from grader.smoke.training import Trained, compare_with_history, put_together

Train = Callable[[str], Trained]


@pytest.fixture(scope="module")
def bands() -> dict[str, Measurements]:
    """The solution's trainings."""
    return load_bands()


@pytest.fixture(scope="module")
def made() -> Runs:
    """The runs of this grading."""
    return Runs()


@pytest.fixture(scope="module")
def known() -> dict[str, Trained]:
    """What was made of them."""
    return {}


@pytest.fixture
def run(
    student: Subject,
    made: Runs,
    rng: np.random.Generator,
    edition: Edition,
    experiments: Callable[[], Experiments],
) -> Callable[[Plan], Made]:
    """The run of a plan, by options, or as a script without our options was seen to train."""

    def make(plan: Plan) -> Made:
        seed = int(rng.integers(1 << 31))
        if edition == "current":
            return made.get(plan.name, student, partial(plan.command, seed))
        files = training_files(*plan.images)
        return experiments().train(student, plan.name, files, seed, epochs=plan.epochs, batch_size=plan.batch_size)

    return make


@pytest.fixture
def train(
    run: Callable[[Plan], Made],
    evaluator: Subject,
    known: dict[str, Trained],
    bands: dict[str, Measurements],
    trainings: list[SmokeTraining],
    rng: np.random.Generator,
) -> Train:
    """The training of a plan, by its name."""

    def training(name: str) -> Trained:
        if name not in known:
            noted = run(PLANS[name])
            if noted.run.error is not None and noted.run.error.open_task:
                noted.expect_end()
            known[name] = put_together(PLANS[name], noted, evaluator, bands[name], rng)
            trainings.append(known[name].told)
        return known[name]

    return training


def test_segformer(train: Train) -> None:
    """A minute of `train_segformer.py` on pets gives weights as good as the solution's."""
    expect_good(train("segformer"))


def test_fcn(train: Train) -> None:
    """A minute of `train.py` on pets gives weights as good as the solution's."""
    expect_good(train("fcn"))


def expect_good(trained: Trained) -> None:
    """End the check as the weights deserve; a script that broke off fails as in every other check."""
    verdict, explanation, score = trained.judgement
    if score == 1:
        return
    if trained.obstacle is not None:
        raise trained.obstacle
    if score is None:
        advice = " The option --smoke-seconds allows more." if verdict is TrainingVerdict.OUT_OF_TIME else ""
        raise NotScored(f"{verdict.value.capitalize()}. {explanation}{advice}")
    if verdict is TrainingVerdict.BROKE_OFF:
        trained.made.expect_end()
        trained.made.checkpoint("last")
    seen = trained.told.unseen
    raise CheckFailed(
        Finding(
            message=f"{verdict.value.capitalize()}. {explanation}",
            expected=f"mIoU {trained.enough:.3f} or more on unseen pictures",
            found=f"mIoU {seen.miou:.3f}" if seen is not None else "no weights to evaluate",
            example=trained.made.command.line,
        ),
        score=score,
    )


def test_history(train: Train) -> None:
    """The validation mIoU that `history.csv` tells of the last epoch is the one that the saved last model has."""
    trained: dict[str, Trained] = {}
    for name in PLANS:
        try:
            trained[name] = train(name)
        except (NotScored, WorkerLost):  # told by the training's own check
            continue
        except CheckFailed as reason:
            if reason.not_started:
                raise
    compared = [name for name, training in trained.items() if compare_with_history(training)]
    if without := [plan.title for name, plan in PLANS.items() if name not in compared]:
        raise NotScored(f"There are no history and weights of the last epoch to compare of {' and '.join(without)}.")
