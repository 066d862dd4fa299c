"""What a run of a script left, read: its curves, its learning rates, and what its weights predict."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.checking import Subject
from grader.curves import run_of_history
from grader.records import Run, Series
from grader.scripts.record import Run as Record
from grader.scripts.runs import TRAINING_THREADS
from grader.smoke.pictures import CLASSES, Pixels
from grader.smoke.plans import Plan

EVALUATION_SECONDS = 60


def read_run(rows: Sequence[Sequence[str]] | None, name: str, epochs: int) -> Run | None:
    """The curves in the cells of a `history.csv`, up to the first row with a NaN or the like.

    None of what is no such file, or tells of epochs that nobody asked for.
    """
    rows = rows or []
    broken = (number for number, row in enumerate(rows[1:], 1) if not all(map(_is_finite, row)))
    try:
        run = run_of_history(rows[: next(broken, len(rows))], name, "history.csv")
    except ValueError:
        return None
    return run if run.train_loss.steps[-1] < epochs and run.val_loss.steps[-1] < epochs else None


def _is_finite(cell: str) -> bool:
    try:
        return not cell.strip() or math.isfinite(float(cell))
    except ValueError:
        return False


def learning_rates(record: Record, epochs: int) -> Series | None:
    """The learning rate at the first step of each epoch, None where the steps do not share out among them."""
    steps, rest = divmod(len(record.steps), epochs)
    if not steps or rest:
        return None
    return Series(tuple(range(epochs)), tuple(record.steps[epoch * steps].rates[0] for epoch in range(epochs)))


def predicted(evaluator: Subject, plan: Plan, weights: Any, images: Pixels) -> Pixels:
    """What the solution's network predicts with these weights.

    Args:
        evaluator: a process of the solution's worker, in which a strange file does no harm.
        plan: tells the network.
        weights: the bytes of the file.
        images: (n, 64, 64, 3).

    Raises:
        CheckFailed: the file cannot be read, or holds the weights of another network.
    """
    evaluator.allow(EVALUATION_SECONDS)
    found: Pixels = evaluator.smoke_predict(
        network=plan.name, classes=len(CLASSES), weights=np.asarray(weights), images=images, threads=TRAINING_THREADS
    )
    return found
