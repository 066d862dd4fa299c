"""The verdicts on smoke trainings, each from what it is about."""

import math
from dataclasses import replace

import numpy as np
import pytest

from grader.answers import script_form
from grader.errors import GraderFault
from grader.records import Run, Series, TrainingVerdict
from grader.smoke.bands import Measured, Measurements, load_bands
from grader.smoke.judging import MOST_PARTIAL, diverged_at, judge
from grader.smoke.plans import PLANS
from grader.smoke.results import learning_rates, read_run

EPOCHS, STEPS = 3, 4
HEADER = ["epoch", "train_loss", "train_miou", "val_loss", "val_miou"]
# Of a picture half background, a third pet, the rest border: one class for all has an mIoU of 1/6.
RATES = [0.001 * 0.98**epoch for epoch in range(EPOCHS) for _ in range(STEPS)]
TRUTH = np.array([200, 300, 100])


def run(train=0.4):
    """A training's curves."""
    miou = Series(tuple(range(EPOCHS)), (0.2, 0.3, train))
    return Run("one", Series(miou.steps, (1.1, 1.0, 0.9)), miou, Series(miou.steps, (1.1, 1.0, 0.9)), miou)


PLAN = replace(PLANS["segformer"], epochs=EPOCHS, batch_size=1, images=(STEPS, 1))


def measurements(*unseen):
    """Trainings of the solution with these mIoUs on unseen pictures."""
    trainings = (Measured(seed=n, run=run(), unseen=miou, class_iou=(miou,) * 3) for n, miou in enumerate(unseen))
    return Measurements(options=(), images=(1, 1), lookalikes=1, trainings=tuple(trainings))


BAND = measurements(0.40, 0.42, 0.45)


def counts(right):
    """A confusion matrix in which this share of each class is right and the rest goes to the next class."""
    kept = np.diag(TRUTH * right)
    return kept + np.roll(np.diag(TRUTH * (1 - right)), 1, axis=1)


GOOD, MIDDLING = counts(0.7), counts(0.5)
ALL_BACKGROUND = np.stack([np.zeros(3), TRUTH, np.zeros(3)], axis=1)


def loss(step, value):
    """A loss that was seen."""
    seen = {"function": "cross_entropy", "classes": 3, "training": True, "ignored": -100, "integral": True}
    return script_form.Loss(**seen, step=step, labels=[0, 1, 2], by_image=[], pixels=1, counted=1, value=value, of=0)


def trained(losses=(1.1, 1.0, 0.9), rates=None, validating="evaluation", **changes):
    """What was noted of a training that went well, or with changes."""
    rates = RATES if rates is None else rates
    forward = {"shape": [1, 3, 64, 64], "means": [], "plain": False, "of": 0}
    modes = [(True, False), (False, validating == "evaluation")]
    fields = {
        "status": 0,
        "error": None,
        "stopped": False,
        "forwards": [script_form.Forward(training=one, evaluation=other, **forward) for one, other in modes],
        "losses": [loss(step, value) for step, value in enumerate(losses)],
        "steps": [script_form.Step(optimizer=0, rates=[rate], epochs=[0], of=0) for rate in rates],
        "kept_name": None,
        "kept": None,
        "history": None,
    }
    lists = ("options", "requests", "loaders", "optimizers", "schedulers", "files", "saved", "trainings")
    empty = {name: [] for name in lists} | {name: {} for name in ("arguments", "checkpoints")}
    return script_form.Run(**empty | fields | changes)


@pytest.mark.parametrize(
    ("verdict", "noted", "predicted", "words"),
    [
        (TrainingVerdict.AS_REFERENCE, trained(), GOOD, "do as well"),
        (TrainingVerdict.BELOW, trained(), MIDDLING, "less than the solution"),
        (TrainingVerdict.NOT_LEARNING, trained(), ALL_BACKGROUND, "no better than one class for all"),
        (TrainingVerdict.SHIFTED, trained(), counts(0.05), "other numbers"),
        (TrainingVerdict.DIVERGED, trained((1.1, 0.9, math.nan, math.nan)), ALL_BACKGROUND, "step 3 the loss is nan"),
        (TrainingVerdict.DIVERGED, trained((1.1, 0.9, 8.0, 9.0), status=1), None, "has grown from 1.10 to 8.00"),
        (TrainingVerdict.RATE_FIXED, trained(rates=[0.001] * EPOCHS * STEPS), MIDDLING, "never takes a step"),
        (TrainingVerdict.TRAINING_MODE, trained(validating="training"), MIDDLING, "batch norm learns"),
        (TrainingVerdict.OUT_OF_TIME, trained(stopped=True), None, "time was over"),
        (TrainingVerdict.BELOW, trained(rates=RATES[:6]), MIDDLING, "It took 6 steps, and was asked for 12"),
        (TrainingVerdict.BROKE_OFF, trained(rates=RATES * 2), GOOD, "more training cannot be compared"),
        (TrainingVerdict.BROKE_OFF, trained(status=1), None, "did not come to its end"),
        (TrainingVerdict.BROKE_OFF, trained(), None, "No last model"),
    ],
)
def test_each_verdict_is_given_for_what_it_is_about(verdict, noted, predicted, words):
    """The name, its explanation, and full points for a training as good as the solution's alone."""
    found = judge(PLAN, noted, run(0.35), predicted, BAND)
    assert found.verdict is verdict
    assert words in found.explanation
    assert (found.score == 1) == (verdict is TrainingVerdict.AS_REFERENCE)


@pytest.mark.parametrize("noted", [trained(rates=[0.001] * EPOCHS * STEPS), trained(validating="training")])
def test_points_rest_on_the_weights(noted):
    """What is odd about a training is named, and costs nothing here if the weights are as good as the solution's."""
    found = judge(PLAN, noted, run(0.35), GOOD, BAND)
    assert found.verdict is not TrainingVerdict.AS_REFERENCE
    assert found.score == 1


def test_learning_by_heart_is_told_from_learning_little():
    """Far better in training than on unseen pictures: overfitting; little in both: below the reference."""
    verdicts = [judge(PLAN, trained(), run(train), MIDDLING, BAND).verdict for train in (0.95, 0.35)]
    assert verdicts == [TrainingVerdict.OVERFITS, TrainingVerdict.BELOW]


def test_partial_credit_grows_with_the_result():
    """From nothing for one class everywhere up to just below the solution, and never full."""
    scores = [judge(PLAN, trained(), run(), counts(right), BAND).score for right in (0.46, 0.48, 0.5, 0.52)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < scores[-1] <= MOST_PARTIAL


def test_a_little_below_the_band_is_as_good():
    """As far below the lowest as the highest is above it, since seeds differ; not further."""
    assert measurements(0.40, 0.42, 0.45).enough() == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([1.1, 1.0, 0.9, 0.8], None),
        ([1.1, 5.0, 1.0, 0.9, 0.8, 0.8, 0.7, 0.7], None),
        ([1.1, 1.0, math.inf, 1.0], None),
        ([1.0] * 12 + [9.0, 9.0, 9.0, 1.5], None),
        ([1.0] * 15 + [9.0], None),
        ([1.1, 1.0, 2.0, 9.0, 9.0, 9.0, 9.0, 9.0], 4),
        ([], None),
        ([math.nan], 1),
    ],
)
def test_divergence_is_told_from_a_spike(losses, step):
    """It diverged where the loss is no number, or high, until the end; not where it recovers."""
    assert diverged_at(losses) == step


def test_history_is_read_up_to_the_first_value_that_is_not_finite():
    """A training that diverged shows the curve that it had until then."""
    rows = [HEADER, ["0", "1.1", "0.2", "1.1", "0.2"], ["1", "nan", "0.2", "", ""], ["2", "1.0", "0.3", "", ""]]
    found = read_run(rows, "one", EPOCHS)
    assert found is not None
    assert found.train_loss == Series((0,), (1.1,))


def test_history_may_have_more_columns_and_count_from_one():
    """Columns that nobody asked for are not read, and epochs that are counted from 1 are counted from 0."""
    rows = [["saved", *HEADER], *(["best", str(n), "1.1", "0.2", "1.1", "0.2"] for n in range(1, EPOCHS + 1))]
    found = read_run(rows, "one", EPOCHS)
    assert found is not None
    assert found.val_miou.steps == tuple(range(EPOCHS))


NO_HISTORIES = {
    "nothing": None,
    "empty": [],
    "no_epoch": [HEADER],
    "another_table": [["a", "b"], ["1", "2"]],
    "miou_above_one": [HEADER, ["0", "1", "7", "1", "1"]],
    "epoch_of_nobody": [HEADER, [str(10**30), "1", "0.7", "1", "0.7"]],
    "endless_cell": [HEADER, ["0", "0" * 200_000 + "1", "0.1", "1", "0.1"]],
    "epoch_of_one_metric": [HEADER, ["0", "1", "0.1", "1", "0.1"], [str(10**7), "", "0.5", "", "0.5"]],
    "ragged": [HEADER, ["0"], ["1", "1"]],
}


@pytest.mark.parametrize("rows", NO_HISTORIES.values(), ids=NO_HISTORIES)
def test_what_is_no_history_has_no_curves(rows):
    """Nothing, another table, an mIoU above 1 or an epoch that nobody asked for is not drawn."""
    assert read_run(rows, "one", EPOCHS) is None


def test_learning_rates_by_epoch():
    """The rate of each epoch's first step; none of other numbers of steps, or of what broke off or is infinite."""
    assert learning_rates(trained(), PLAN) == Series((0, 1, 2), pytest.approx((0.001, 0.00098, 0.0009604)))
    others = (RATES[:4], RATES * 2, [math.inf] * len(RATES))
    assert [learning_rates(trained(rates=rates), PLAN) for rates in others] == [None] * 3
    assert learning_rates(trained(rates=RATES[:6], stopped=True), PLAN) is None


def test_bands_are_those_of_the_trainings():
    """The stored bands were made by the trainings of now; a band has no value outside its low and high."""
    for plan in PLANS.values():
        found = load_bands()[plan.name]
        band = found.band()
        assert band.seeds >= 10
        assert band.median.val_miou.steps == tuple(range(plan.epochs))
        triples = zip(band.low.val_miou.values, band.median.val_miou.values, band.high.val_miou.values, strict=True)
        assert all(low <= middle <= high for low, middle, high in triples)


def test_bands_of_other_trainings_are_refused(tmp_path):
    """Whoever changes a training, or the pictures, is told to make the bands anew."""
    file = tmp_path / "bands.json"
    file.write_text('{"command": "", "machine": "", "trainings": {}}', encoding="utf-8")
    with pytest.raises(GraderFault, match="make them anew"):
        load_bands(file)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(GraderFault, match="cannot be used"):
        load_bands(file)
