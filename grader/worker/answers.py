"""What a probe says when a submission's answer cannot be sent back: a typed message in place of a crash."""

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
