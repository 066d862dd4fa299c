"""What a probe says when a submission's answer cannot be sent back, and how an error of the submission came about."""

import dis
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import torch


class WrongAnswer(Exception):  # noqa: N818 - it describes the submission's answer, not an error of ours
    """The submission returned something that the contract does not allow."""


def tensor(value: Any, what: str) -> torch.Tensor:
    """Return `value` if it is a tensor.

    Args:
        value: what the submission returned.
        what: how the message names it, "SegFormerHead.forward".
    """
    if not isinstance(value, torch.Tensor):
        raise WrongAnswer(f"{what} should return a tensor, but returned {kind(value)}")
    if value.is_complex():
        raise WrongAnswer(f"{what} should return real numbers, but returned complex ones ({value.dtype})")
    return value


def number(value: Any, what: str) -> float:
    """Return `value` as a float if it is any kind of real number: Python's, numpy's, or a tensor with one element."""
    try:
        read = None if isinstance(value, (str, bytes, complex)) else float(value)
    except (TypeError, ValueError, RuntimeError):
        read = None
    if read is None:
        raise WrongAnswer(f"{what} should return a number, but returned {kind(value)}")
    return read


def kind(value: Any) -> str:
    """Name a value's type as a student would: `None`, `a tuple of 2`, `a tensor of shape (2, 3)`."""
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"


_ROOTS: list[str] = []


def set_root(submission: str) -> None:
    """Say where the submission is; its own code may empty the environment, which says so too."""
    _ROOTS[:] = [submission]


def root_of_submission() -> Path:
    """The folder of the submission."""
    return Path(_ROOTS[0] if _ROOTS else os.environ["GRADER_SUBMISSION"])


def innermost(trace: TracebackType | None) -> TracebackType | None:
    """Where an error left the submission's own code, None if it came from elsewhere or from nowhere."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    root = f"{root_of_submission()}{os.sep}"
    return trace if trace is not None and trace.tb_frame.f_code.co_filename.startswith(root) else None


def on_purpose(trace: TracebackType) -> bool:
    """Whether an error was raised by a `raise` or `assert`, rather than run into by some operation, at this place."""
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]].startswith(("RAISE", "RERAISE"))


def is_open_task(error: BaseException) -> bool:
    """Whether an error is a task of the starter that nobody has begun.

    torch raises the same type for what it cannot do, such as arithmetic that some type of numbers has not.
    """
    place = innermost(error.__traceback__) if isinstance(error, NotImplementedError) else None
    return place is not None and on_purpose(place)
