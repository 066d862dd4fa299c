"""A verdict with a name on a smoke training, most telling first."""

import math
from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from grader.records import Run, TrainingVerdict
from grader.scripts.record import Run as Record
from grader.smoke.bands import Measurements
from grader.smoke.pictures import CLASSES
from grader.smoke.unseen import Counts, best_constant, best_renaming, miou

BLOWN_UP = 2.0  # times the first loss: random scores have ln 3 already, so learning never gets there
LITTLE = 0.02  # of mIoU above one class for everything: less than the smallest step between seeds says nothing
RENAMED = 0.1  # of mIoU that other names for the classes have to gain before they are the explanation
MOST_PARTIAL = 0.9


class Judgement(NamedTuple):
    """A verdict, what it means here, and the share of the points."""

    verdict: TrainingVerdict
    explanation: str
    score: float = 0.0


def judge(record: Record, run: Run | None, counts: Counts | None, measurements: Measurements) -> Judgement:
    """Judge a training.

    Args:
        record: what was noted while it ran.
        run: its curves, if it left any.
        counts: the confusion matrix of its weights on unseen pictures, None where it left no weights.
        measurements: the solution's trainings.
    """
    return _process(record) or _result(run, counts, measurements)


def _process(record: Record) -> Judgement | None:
    """Judge how it went, None if nothing is to be said of that."""
    losses = [loss.value for loss in record.losses if loss.training and loss.value is not None]
    if (step := diverged_at(losses)) is not None:
        return Judgement(TrainingVerdict.DIVERGED, _divergence(losses, step))
    if record.stopped:
        return Judgement(TrainingVerdict.OUT_OF_TIME, "Its time was over before its last epoch.")
    if record.status != 0:
        return Judgement(TrainingVerdict.BROKE_OFF, "The script did not come to its end.")
    if len({round(rate, 12) for step in record.steps for rate in step.rates}) == 1:
        explanation = "The learning rate is the same in every epoch: the scheduler never takes a step."
        return Judgement(TrainingVerdict.RATE_FIXED, explanation)
    if record.forwards and not all(forward.training or forward.evaluation for forward in record.forwards):
        explanation = (
            "Validation images pass the network in training mode: dropout is active and batch norm learns from them, "
            "so the curve of the validation is another network's."
        )
        return Judgement(TrainingVerdict.TRAINING_MODE, explanation)
    return None


def _result(run: Run | None, counts: Counts | None, measurements: Measurements) -> Judgement:
    """Judge what came out."""
    if counts is None:
        return Judgement(TrainingVerdict.BROKE_OFF, "No last model was saved, so there is nothing to evaluate.")
    found, enough, constant = miou(counts), measurements.enough(), best_constant(counts)
    if found >= enough:
        return Judgement(TrainingVerdict.AS_REFERENCE, "After as many steps, it does as well on unseen pictures.", 1.0)
    score = min(MOST_PARTIAL, max(0.0, (found - constant) / (enough - constant)))
    renamed, order = best_renaming(counts)
    if renamed >= max(found + RENAMED, constant + RENAMED):
        return Judgement(TrainingVerdict.SHIFTED, _renaming(found, renamed, order))
    if found <= constant + LITTLE:
        explanation = f"It segments unseen pictures no better than one class for all: {found:.2f} to {constant:.2f}."
        return Judgement(TrainingVerdict.NOT_LEARNING, explanation)
    if run is not None and run.train_miou.values[-1] - found > measurements.largest_gap():
        explanation = (
            f"mIoU {run.train_miou.values[-1]:.2f} in training, {found:.2f} on unseen pictures: learned by heart."
        )
        return Judgement(TrainingVerdict.OVERFITS, explanation, score)
    explanation = f"It learns, but less than it should in as many steps: mIoU {found:.2f} on unseen pictures."
    return Judgement(TrainingVerdict.BELOW, explanation, score)


def diverged_at(losses: Sequence[float]) -> int | None:
    """The step, from 1, at which a training went astray: its loss is no number, or is high until the end."""
    for number, loss in enumerate(losses, 1):
        if not math.isfinite(loss):
            return number
    quarter = len(losses) // 4
    if not quarter or mean(losses[-quarter:]) <= BLOWN_UP * losses[0]:
        return None
    return 1 + max(number for number, loss in enumerate(losses, 1) if number == 1 or loss <= BLOWN_UP * losses[0])


def _divergence(losses: Sequence[float], step: int) -> str:
    loss = losses[step - 1]
    grew = (
        f"the loss is {loss:g}" if not math.isfinite(loss) else f"the loss has grown from {losses[0]:.2f} to {loss:.2f}"
    )
    return f"Diverged at step {step}: {grew} there, and never came down again."


def _renaming(found: float, renamed: float, order: tuple[int, ...]) -> str:
    pairs = [f"{CLASSES[was]} for {CLASSES[number]}" for number, was in enumerate(order) if was != number]
    return (
        f"It knows the classes by other numbers: mIoU {found:.2f}, and {renamed:.2f} if one takes {', '.join(pairs)}. "
        "Which label stands for which class?"
    )
