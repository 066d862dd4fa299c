"""What a run of a script left, read: its curves, its learning rates, and what its weights predict."""

import csv
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grader.answers.script_form import Run as Noted
from grader.checking import Subject
from grader.checking.script_runs import TRAINING_THREADS
from grader.experiments.curves import METRICS, history_epochs, run_of_history
from grader.records import Run, Series
from grader.smoke.pictures import CLASSES, Pixels
from grader.smoke.plans import Plan

EVALUATION_SECONDS = 120
CELLS = ("epoch", *METRICS)


def read_run(rows: Sequence[Sequence[str]] | None, name: str, epochs: int) -> Run | None:
    """The curves in the cells of a `history.csv`, up to the first row with a NaN or the like.

    Epochs that are counted from 1 are counted from 0 here. None of what is no such file, or tells of epochs that nobody
    asked for.
    """
    told = history_epochs(rows or [])
    kept = told[: next((number for number, row in enumerate(told) if not _is_finite(row)), len(told))]
    if [row.get("epoch") for row in kept] == [str(number) for number in range(1, epochs + 1)]:
        kept = [row | {"epoch": str(number)} for number, row in enumerate(kept)]
    try:
        run = run_of_history(kept, name, "history.csv")
    except (ValueError, csv.Error):
        return None
    return run if all(getattr(run, metric).steps[-1] < epochs for metric in METRICS) else None


def _is_finite(row: Mapping[str, str]) -> bool:
    """Whether all that is a number of a curve is a finite one."""
    try:
        return all(math.isfinite(float(row[cell])) for cell in CELLS if row.get(cell, "").strip())
    except ValueError:
        return False


def learning_rates(noted: Noted, plan: Plan) -> Series | None:
    """The learning rate at the first step of each epoch, None where that cannot be told."""
    steps, rest = divmod(len(noted.steps), plan.epochs)
    if not noted.ended or rest or not 0 < steps <= plan.steps / plan.epochs:
        return None
    rates = [noted.steps[epoch * steps].rates[0] for epoch in range(plan.epochs)]
    return Series(tuple(range(plan.epochs)), tuple(rates)) if all(map(math.isfinite, rates)) else None


def predicted(evaluator: Subject, plan: Plan, weights: Any, images: Pixels, order: list[int]) -> Pixels:
    """What the solution's network predicts with these weights.

    Args:
        evaluator: a process of the solution's worker, in which a strange file does no harm.
        plan: tells the network.
        weights: the bytes of the file.
        images: (n, 64, 64, 3).
        order: of SegFormer's levels.

    Raises:
        CheckFailed: the file cannot be read, or holds the weights of another network.
    """
    found: Pixels = evaluator.smoke_predict(
        network=plan.name,
        classes=len(CLASSES),
        weights=np.asarray(weights),
        images=images,
        order=order,
        threads=TRAINING_THREADS,
    )
    return found
