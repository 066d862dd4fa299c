"""What trained weights make of labelled pictures, in numbers: pure arithmetic on classes that were predicted."""

import base64
import io
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grader.records import Sample
from grader.smoke.pictures import CLASSES, Labelled, Pixels

Counts = NDArray[np.int64]
SHOWN = (0.0, 1 / 3, 2 / 3, 1.0)  # the worst picture, the best one, and two between them


def confusion(truth: Pixels, predicted: Pixels) -> Counts:
    """Pixels by true class (rows) and predicted class (columns)."""
    number = len(CLASSES)
    pairs = truth.astype(np.int64).ravel() * number + predicted.ravel()
    return np.bincount(pairs, minlength=number**2).reshape(number, number)


def class_iou(counts: Counts) -> NDArray[np.float64]:
    """The IoU of each class, TP / (TP + FP + FN), 0 of a class without any pixel (handout, Part 2)."""
    right = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    return np.asarray(right / np.maximum(union, 1))


def miou(counts: Counts) -> float:
    """The mean IoU over all classes."""
    return float(class_iou(counts).mean())


def best_constant(counts: Counts) -> float:
    """The mIoU of a network that gives every pixel the same class, whichever is best."""
    return float((counts.sum(axis=1) / counts.sum()).max()) / len(CLASSES)


def best_renaming(counts: Counts) -> tuple[float, tuple[int, ...]]:
    """The highest mIoU that other names for the predicted classes give, and which class each one would then be."""
    orders = [order for order in permutations(range(len(CLASSES))) if list(order) != sorted(order)]
    return max((miou(counts[:, list(order)]), order) for order in orders)


def samples(pictures: Labelled, predicted: Pixels) -> tuple[Sample, ...]:
    """A few pictures from the worst to the best, with what was predicted."""
    scores = [_of_picture(truth, guess) for truth, guess in zip(pictures.classes, predicted, strict=True)]
    order = np.argsort(scores, kind="stable")
    chosen = [int(order[round(share * (len(order) - 1))]) for share in SHOWN]
    return tuple(
        Sample(
            image=_file(pictures.images[number], "jpeg"),
            truth=_file(pictures.classes[number], "png"),
            predicted=_file(predicted[number], "png"),
            miou=scores[number],
        )
        for number in chosen
    )


def _of_picture(truth: Pixels, predicted: Pixels) -> float:
    """The mIoU of one picture, over the classes that it has: most have all, and a class without pixels says nothing."""
    counts = confusion(truth, predicted)
    return float(class_iou(counts)[counts.sum(axis=1) > 0].mean())


def _file(pixels: Pixels, kind: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 90} if kind == "jpeg" else {"optimize": True}))
    return base64.b64encode(buffer.getvalue()).decode()


def rounded(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    """Six digits, which is more than two runs of the same training on two machines agree in."""
    return tuple(round(float(value), 6) for value in values)
