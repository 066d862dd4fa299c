"""A verdict with a name on a smoke training, most telling first.

The points rest on the weights alone. What was noted while they were trained gives a name to what is odd about it; the
rule of training that was broken loses its points in the part that it belongs to.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from grader.answers.script_form import Run as Noted
from grader.records import Run, TrainingVerdict
from grader.smoke.bands import Measurements
from grader.smoke.pictures import CLASSES
from grader.smoke.plans import Plan
from grader.smoke.unseen import Counts, best_constant, best_renaming, miou

BLOWN_UP = 2.0  # times the first loss: random scores have ln 3 already, so learning never gets there
LITTLE = 0.02  # of mIoU above one class for everything: less than the smallest step between seeds says nothing
RENAMED = 0.1  # of mIoU that other names for the classes have to gain before they are the explanation
MOST_PARTIAL = 0.9
FEWER, MORE = 0.9, 1.1  # times the steps that were asked for: `drop_last` leaves out one in ten at most


class Judgement(NamedTuple):
    """A verdict, what it means here, and the share of the points; None if nobody can tell."""

    verdict: TrainingVerdict
    explanation: str
    score: float | None = 0.0


def judge(plan: Plan, noted: Noted, run: Run | None, counts: Counts | None, measurements: Measurements) -> Judgement:
    """Judge a training.

    Args:
        plan: what was asked for.
        noted: what was seen while it ran.
        run: its curves, if it left any.
        counts: the confusion matrix of its weights on unseen pictures, None where it left no weights.
        measurements: the solution's trainings.
    """
    diverged = _divergence(noted)
    if (nothing := _nothing_to_judge(plan, noted, counts)) is not None:
        return diverged or nothing
    assert counts is not None
    result, steps = _result(run, counts, measurements), noted.steps_taken
    odd = diverged or _process(noted)
    if odd is not None:
        return odd._replace(score=result.score)
    if result.score != 1 and 0 < steps < FEWER * plan.steps:
        few = f"It took {steps} steps, and was asked for {plan.steps}. "
        return result._replace(explanation=few + result.explanation)
    return result


def _nothing_to_judge(plan: Plan, noted: Noted, counts: Counts | None) -> Judgement | None:
    """Say why there is no result that could be compared, None if there is one."""
    if noted.stopped:
        return Judgement(TrainingVerdict.OUT_OF_TIME, "Its time was over before its last epoch.", None)
    if noted.status != 0:
        return Judgement(TrainingVerdict.BROKE_OFF, "The script did not come to its end.")
    if counts is None:
        return Judgement(TrainingVerdict.BROKE_OFF, "No last model was saved, so there is nothing to evaluate.")
    if (steps := noted.steps_taken) > MORE * plan.steps:
        explanation = f"It took {steps} steps, and was asked for {plan.steps}: more training cannot be compared."
        return Judgement(TrainingVerdict.BROKE_OFF, explanation, None)
    return None


def _process(noted: Noted) -> Judgement | None:
    """Name what is odd about how it was trained, None if nothing is."""
    if len(noted.steps) > 1 and len({tuple(round(rate, 12) for rate in step.rates) for step in noted.steps}) == 1:
        explanation = "The learning rate is the same in every epoch: the scheduler never takes a step."
        return Judgement(TrainingVerdict.RATE_FIXED, explanation)
    if noted.forwards and not any(forward.evaluation for forward in noted.forwards):
        explanation = (
            "Validation images pass the network in training mode: dropout is active and batch norm learns from them, "
            "so the curve of the validation is another network's."
        )
        return Judgement(TrainingVerdict.TRAINING_MODE, explanation)
    return None


def _result(run: Run | None, counts: Counts, measurements: Measurements) -> Judgement:
    """Judge what came out."""
    found, enough, constant = miou(counts), measurements.enough(), best_constant(counts)
    if found >= enough:
        explanation = "After as many steps as the solution's, its weights do as well on unseen pictures."
        return Judgement(TrainingVerdict.AS_REFERENCE, explanation, 1.0)
    score = min(MOST_PARTIAL, max(0.0, (found - constant) / max(enough - constant, LITTLE)))
    renamed, order = best_renaming(counts)
    if renamed >= max(found, constant) + RENAMED:
        return Judgement(TrainingVerdict.SHIFTED, _renaming(found, renamed, order))
    if found <= constant + LITTLE:
        explanation = f"On unseen pictures it is no better than one class for all: {found:.3f} to {constant:.3f}."
        return Judgement(TrainingVerdict.NOT_LEARNING, explanation)
    if run is not None and run.train_miou.values[-1] - found > measurements.largest_gap():
        trained = run.train_miou.values[-1]
        explanation = f"mIoU {trained:.3f} in training, {found:.3f} on unseen pictures: learned by heart."
        return Judgement(TrainingVerdict.OVERFITS, explanation, score)
    explanation = f"It learns, but less than the solution: mIoU {found:.3f} on unseen pictures."
    return Judgement(TrainingVerdict.BELOW, explanation, score)


def diverged_at(losses: Sequence[float]) -> int | None:
    """The place, from 1, from which on no loss is a finite number below twice the first, for good.

    A high end has to last for a quarter of the training, since a last batch may be a hard one.
    """
    limit = BLOWN_UP * next(filter(math.isfinite, losses), 0.0)
    sound = [number for number, loss in enumerate(losses, 1) if math.isfinite(loss) and loss <= limit]
    astray = losses[sound[-1] if sound else 0 :]
    lasts = 4 * len(astray) >= len(losses) or not all(map(math.isfinite, astray))
    return len(losses) - len(astray) + 1 if astray and lasts else None


def _divergence(noted: Noted) -> Judgement | None:
    seen = [loss for loss in noted.losses if loss.training and loss.value is not None]
    losses = [loss.value for loss in seen if loss.value is not None]
    place = diverged_at(losses)
    if place is None:
        return None
    loss = losses[place - 1]
    grew = f"is {loss:g}" if not math.isfinite(loss) else f"has grown from {losses[0]:.2f} to {loss:.2f}"
    explanation = f"At step {seen[place - 1].step + 1} the loss {grew}, and it never came down again."
    return Judgement(TrainingVerdict.DIVERGED, explanation)


def _renaming(found: float, renamed: float, order: tuple[int, ...]) -> str:
    pairs = [f"{CLASSES[was]} for {CLASSES[number]}" for number, was in enumerate(order) if was != number]
    return (
        f"It knows the classes by other numbers: mIoU {found:.3f}, and {renamed:.3f} if one takes {', '.join(pairs)}. "
        "Which label stands for which class?"
    )
