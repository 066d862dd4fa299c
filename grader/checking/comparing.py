"""Numbers beside those that are expected: whether they are near enough, and where they differ most."""

import math
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grader.checking.failing import fail
from grader.checking.tolerances import Tolerance

SHOWN_VALUES = 12


def expect_close(
    found: ArrayLike,
    expected: ArrayLike,
    tolerance: Tolerance,
    message: str,
    *,
    largest: float | None = None,
    **context: str | None,
) -> None:
    """Fail unless shapes are equal and every value is finite and within the tolerance.

    Args:
        found: what the submission gave.
        expected: what it should have given.
        tolerance: how far it may be off.
        message: what is wrong if it is not, in one sentence.
        largest: the magnitude that the tolerance is relative to; the largest expected one if not given.
        **context: further fields of `Finding`, such as `example`.
    """
    if not tolerance.admits(share_used(found, expected, tolerance, largest)):
        fail_by_difference(found, expected, tolerance, message, largest=largest, **context)


def fail_by_difference(
    found: ArrayLike,
    expected: ArrayLike,
    tolerance: Tolerance,
    message: str,
    *,
    largest: float | None = None,
    **context: str | None,
) -> NoReturn:
    """End the check as failed with what `expect_close` tells of two values that are known to differ."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        fail(message, expected=f"shape {expected.shape}", found=f"shape {found.shape}", **context)
    allowed = tolerance.allowed(_largest(expected) if largest is None else largest)
    off = ~(np.abs(_wide(found) - _wide(expected)) <= allowed)
    fail(message, **_difference(found, expected, off, allowed), **context)


def share_used(found: ArrayLike, expected: ArrayLike, tolerance: Tolerance, largest: float | None = None) -> float:
    """How much of a tolerance an answer uses up, 1 for all of it; infinite for another shape or what is not finite."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return math.inf
    if found.size == 0:
        return 0.0
    gap = float(np.abs(_wide(found) - _wide(expected)).max())
    allowed = tolerance.allowed(_largest(expected) if largest is None else largest)
    if gap <= allowed == 0:
        return 0.0
    return gap / allowed if math.isfinite(gap) and allowed > 0 else math.inf


def nearest(found: ArrayLike, candidates: Iterable[ArrayLike], tolerance: Tolerance) -> int | None:
    """Which of several right answers was given, None if none of them was; looks no further than the first."""
    shares = []
    for candidate in candidates:
        shares.append(share_used(found, candidate, tolerance))
        if shares[-1] <= 1:
            break
    best = int(np.argmin(shares))
    return best if tolerance.admits(shares[best]) else None


def _largest(values: NDArray[Any]) -> float:
    return float(np.abs(_wide(values)).max(initial=0.0))


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.astype(np.float64)


def _difference(found: NDArray[Any], expected: NDArray[Any], off: NDArray[np.bool_], allowed: float) -> dict[str, str]:
    """Show both values where they differ most, or where the submission's is not finite."""
    if found.ndim == 0:
        return {"expected": f"{expected.item():.6g}", "found": f"{found.item():.6g}"}
    gap = np.nan_to_num(np.abs(_wide(found) - _wide(expected)), nan=np.inf, posinf=np.inf)
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    share = f"{int(off.sum())} of {off.size} values are off by more than {allowed:.2g}"
    return {
        "expected": f"{expected[worst]:.6g} at index {worst}",
        "found": f"{found[worst]:.6g} at index {worst}; {share}",
    }


def show(values: ArrayLike) -> str:
    """Write a small array on one line; of a large one its shape and range."""
    array = np.asarray(values)
    if array.size <= SHOWN_VALUES:
        return np.array2string(array, precision=4, separator=", ").replace("\n", "")
    return f"array of shape {array.shape}, values {array.min():.4g} to {array.max():.4g}"
