"""How a mistake shows in answers: the fields in which it differs from the solution.

An answer is a tree. Its fields are the values at the same place of every list that they are in, in order: of a list of
readings the values of `[].miou`, of a list of events the values of `[step].lr`. A mistake's signature are the fields in
which its answers are not the solution's; whoever has the same values there gives the mistake's output. What else is odd
in an answer counts against the mistake, but for wordings, which are a matter of style.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import BaseModel

from grader.sandbox import CallError

# A mistake written in another way sums in another order.
RELATIVE, ABSOLUTE = 1e-4, 1e-6
# Wordings are a matter of style, and digests of the last bit: they count only where nothing else shows a mistake.
WORDINGS = frozenset({"message", "text", "accident"})
DIGESTS = frozenset({"digests", "start"})

# A training of Part 3 has about 10,000.
MOST_VALUES = 200_000


class TooMuch(Exception):  # noqa: N818 - it says why nothing is compared
    """An answer has too many values to be compared."""


# The last line of code in a traceback.
ON_PURPOSE = re.compile(r"^    (raise|assert)\b[^\n]*\n(?!.*^    )", re.MULTILINE | re.DOTALL)

Fields = dict[str, list[Any]]
Kinds = tuple[set[str], set[str], set[str]]


def fields(answer: Any) -> Fields:
    """Take an answer apart, by field.

    Raises:
        TooMuch: it has more values than any honest answer.
    """
    found: Fields = defaultdict(list)
    for number, (path, value) in enumerate(_leaves(answer, "")):
        if number == MOST_VALUES:
            raise TooMuch
        found[path].append(value)
    return dict(found)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, CallError):
        own_file = (value.missing_module or "").partition(".")[0] == "dlvc"
        yield f"{path}.error", f"{value.type} for a file of the hand-in" if own_file else value.type
        # A library's words tell what went wrong in it; those of a student's own `raise` are as good as any.
        yield f"{path}.message" if ON_PURPOSE.search(value.traceback) else f"{path}.said", value.message
    elif isinstance(value, BaseModel):
        yield from _leaves({name: getattr(value, name) for name in type(value).model_fields}, path)
    elif isinstance(value, dict):
        kind = value.get("what")
        for name, item in value.items():
            yield from _leaves(item, f"{path}[{kind}].{name}" if isinstance(kind, str) else f"{path}.{name}")
        if not value:
            yield path, None
    elif isinstance(value, (list, tuple)):
        yield f"{path}.length", len(value)
        for item in value:
            yield from _leaves(item, f"{path}[]")
    elif isinstance(value, np.ndarray):
        # The tensors of a state are one field: there may be hundreds, and they go wrong together.
        yield path.rpartition(".")[0], value
    else:
        yield path, value


def same(one: list[Any] | None, other: list[Any] | None) -> bool:
    """Whether a field has the same values twice, numbers up to rounding."""
    if one is None or other is None or len(one) != len(other):
        return one is other
    return all(_equal(left, right) for left, right in zip(one, other, strict=True))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.shape != other.shape:
            return False
        if one.dtype.kind not in "fc" or other.dtype.kind not in "fc":
            return bool(np.array_equal(one, other))
        scale = float(np.abs(np.nan_to_num(other, posinf=0, neginf=0)).max(initial=0))
        return bool(np.allclose(one, other, rtol=RELATIVE, atol=RELATIVE * scale + ABSOLUTE, equal_nan=True))
    if isinstance(one, float) or isinstance(other, float):
        both = isinstance(one, (int, float)) and isinstance(other, (int, float))
        return both and bool(np.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))
    return type(one) is type(other) and bool(one == other)


class Likeness:
    """Compares the answers of a submission with those of a mistake, call by call."""

    def __init__(self) -> None:
        self._theirs: Fields = defaultdict(list)
        self._mistaken: Fields = defaultdict(list)
        self._right: Fields = defaultdict(list)

    def add(self, theirs: Fields, mistaken: Fields, right: Fields) -> bool:
        """Take in the fields of three answers to one call; False if nothing of the mistake is in theirs.

        That is so where the mistake shows, and each field that shows it has other values in theirs.
        """
        sums = (self._theirs, self._mistaken, self._right)
        for kept, part in zip(sums, (theirs, mistaken, right), strict=True):
            for path, values in part.items():
                kept[path] += values
        shown = _shown(mistaken, right, theirs)[0]
        return not shown or any(same(theirs.get(path), mistaken.get(path)) for path in shown)

    @property
    def share(self) -> float:
        """How much of what is odd is the mistake: 1 if it shows in theirs as it would, and nothing else does.

        Of the fields in which the mistake or theirs differs from the solution, those that show the mistake in theirs.
        0 if the mistake does not show.
        """
        kinds = _shown(self._mistaken, self._right, self._theirs)
        level = next((number for number, paths in enumerate(kinds) if paths), None)
        if level is None:
            return 0.0
        signature = kinds[level]
        theirs = _by_kind(_differing(self._theirs, self._right) & self._theirs.keys())
        # Other words are no oddity.
        odd = signature.union(*theirs[: min(level, 1) + 1])
        return sum(same(self._theirs.get(path), self._mistaken.get(path)) for path in signature) / len(odd)


def _differing(one: Fields, other: Fields) -> set[str]:
    return {path for path in one.keys() | other.keys() if not same(one.get(path), other.get(path))}


def _shown(mistaken: Fields, right: Fields, theirs: Fields) -> Kinds:
    """The fields that show a mistake; one that both lack says nothing: after an exception they lack all."""
    return _by_kind(_differing(mistaken, right) & (mistaken.keys() | theirs.keys()))


def _by_kind(paths: set[str]) -> Kinds:
    """Sort fields: what counts anywhere, digests, and wordings."""
    kinds: Kinds = (set(), set(), set())
    for path in paths:
        steps = path.replace("[]", "").split(".")
        kinds[2 if WORDINGS.intersection(steps) else 1 if DIGESTS.intersection(steps) else 0].add(path)
    return kinds
