"""Part 2: `dlvc/metrics.py`."""

import traceback
from importlib import import_module
from types import TracebackType
from typing import Any

import torch

from grader.worker.answers import WrongAnswer, innermost, is_open_task, kind, number, on_purpose


def make_metric(classes: int) -> Any:
    """A metric for so many classes, told by their names or, where the submission does not take these, by their number.

    Which of the two a submission takes is found out by a batch of one pixel, once in each process.
    """
    names = [f"class {i}" for i in range(classes)]
    form = _form(import_module("dlvc.metrics").SegMetrics)
    return import_module("dlvc.metrics").SegMetrics(form(names))


def _form(kind_of_metric: Any) -> Any:
    """`list` or `len`: what of the names of its classes a metric is made with."""
    if not _FORM:
        _FORM.append(next((form for form in (list, len) if _works(kind_of_metric, form(["a", "b"]))), list))
    return _FORM[0]


_FORM: list[Any] = []


def _works(kind_of_metric: Any, classes: Any) -> bool:
    """Whether a metric can be made so, used and read; a task that is not begun can."""
    try:
        metric = kind_of_metric(classes)
        metric.update(torch.tensor([[[[1.0]], [[0.0]]]]), torch.tensor([[[0]]]))
        metric.mIoU()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other form is tried
        return is_open_task(error)
    return True


def run(classes: int, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do one step after another with one metric and read it where asked.

    Args:
        classes: number of classes.
        steps: {"do": "update", "prediction": (b, c, h, w), "target": (b, h, w)}, {"do": "reset"} or {"do": "read"}.

    Returns:
        For each "read", the mIoU and `str()` of the metric.
    """
    metric = make_metric(classes)
    readings = []
    for step in steps:
        if step["do"] == "update":
            metric.update(step["prediction"], step["target"])
        elif step["do"] == "reset":
            metric.reset()
        else:
            text = _text(metric)  # before mIoU(), as a trainer may print it: what it shows must not wait for the other
            readings.append({"miou": number(metric.mIoU(), "mIoU()"), "text": text})
    return readings


def _text(metric: Any) -> str:
    text = metric.__str__()
    if not isinstance(text, str):
        raise WrongAnswer(f"__str__ should return a string, but returned {kind(text)}")
    return text


def update_and_return(classes: int, prediction: torch.Tensor, target: torch.Tensor) -> dict[str, Any]:
    """Update a metric, read it, and give the two inputs back as they are afterwards."""
    metric = make_metric(classes)
    metric.update(prediction, target)
    return {"miou": number(metric.mIoU(), "mIoU()"), "prediction": prediction, "target": target}


def reactions(classes: int, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Update a new metric with each input, some of which the contract forbids, and tell what was raised.

    Args:
        classes: number of classes.
        inputs: {"prediction": ..., "target": ...}; with "as_list", that one is handed over as nested lists.

    Returns:
        For each input `raised` (the type's name or None), `bases`, `message`, and `accident`: the source line if the
        error came from an operation rather than from a `raise` or `assert`, else None.
    """
    return [_reaction(make_metric(classes), **one) for one in inputs]


def _reaction(
    metric: Any, prediction: torch.Tensor, target: torch.Tensor, as_list: str | None = None
) -> dict[str, Any]:
    values: dict[str, Any] = {"prediction": prediction, "target": target}
    if as_list is not None:
        values[as_list] = values[as_list].tolist()
    try:
        metric.update(values["prediction"], values["target"])
    except Exception as error:
        if is_open_task(error):
            raise
        return {
            "raised": type(error).__name__,
            "bases": [base.__name__ for base in type(error).__mro__],
            "message": str(error),
            "accident": _accident(error.__traceback__),
        }
    return {"raised": None, "bases": [], "message": "", "accident": None}


def _accident(trace: TracebackType | None) -> str | None:
    """Tell an error that some operation ran into from one that was raised on purpose, by the instruction it left at.

    Unpacking a shape of too few dimensions raises the ValueError that the contract asks for, but says nothing useful:
    the innermost frame then stands at an unpacking or arithmetic instruction of the submission's own code.
    """
    place = innermost(trace)
    if place is None or on_purpose(place):
        return None
    frame = traceback.extract_tb(place)[0]
    return f"line {frame.lineno}: {frame.line}"
