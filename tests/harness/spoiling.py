"""Answers of the solution, spoilt in ways that every check has to notice, in the form that their probe gives them."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from grader.answers.forms import FORMS
from grader.checking import CheckFailed, Subject, TrustedSubject
from grader.intake.sift import Reason
from grader.records import Finding, Note, Submission
from grader.rubric import Rubric
from grader.sandbox import Worker
from grader.suite.plugin import STUDENT, check_id
from grader.worker.channel import encode
from tests.harness.bench import SEED, SomeChecks

Spoil = Callable[[Any, dict[str, Any]], Any]

# What holds a record together (which event it is, of which epoch, which file), what a parser knows, what the next run
# starts from, and what the grader's own instruments say for comparison: none of it is an answer.
STRUCTURE = frozenset({"what", "phase", "kind", "kept_name", "kept", "shape", "options", "value", "of"})
# What a training is counted by. With nothing but zeros in its record, none of it ever happened.
COUNTED = ("step", "scheduler", "reset", "update", "loss")
SEEN = ("requests", "loaders", "forwards", "losses", "optimizers", "schedulers", "steps", "files", "saved", "trainings")


def unspoilt(answer: Any, _arguments: dict[str, Any]) -> Any:
    """The answer as it is."""
    return _each(answer, lambda leaf: leaf)


def zeros(answer: Any, arguments: dict[str, Any]) -> Any:
    """Every number 0, every flag False, every text empty; of a training, nothing but what passed the network."""
    zero = _each(
        answer,
        lambda leaf: np.zeros_like(leaf) if isinstance(leaf, np.ndarray) else type(leaf)(),
        keep_digests=arguments.get("keep", False),
    )
    if isinstance(zero, dict) and "events" in zero:
        zero["events"] = [event for event in zero["events"] if event["what"] not in COUNTED]
    return zero


def constant(answer: Any, arguments: dict[str, Any]) -> Any:
    """Every number 1, every flag True, every text the same; in a training, every event happens twice."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return np.ones_like(leaf)
        return "1" if isinstance(leaf, str) else type(leaf)(1)

    ones = _each(answer, one, keep_digests=arguments.get("keep", False))
    if isinstance(ones, dict) and "events" in ones:
        ones["events"] = [event for event in ones["events"] for _ in range(2)]
    return ones


def not_a_number(answer: Any, _arguments: dict[str, Any]) -> Any:
    """Every floating-point number NaN; what can hold none stays as it is."""

    def nan(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return np.full_like(leaf, np.nan) if leaf.dtype.kind == "f" else leaf
        return float("nan") if isinstance(leaf, float) else leaf

    return _each(answer, nan)


def input_unchanged(answer: Any, arguments: dict[str, Any]) -> Any:
    """In place of each array, one of equal shape out of the arguments; a training or a script that does nothing."""
    given = list(_arrays(arguments))
    if isinstance(answer, BaseModel):
        return _idle_script(unspoilt(answer, {}))
    if isinstance(answer, dict) and "events" in answer:
        return zeros(answer, {}) | {"events": [], "phases": [], "files": [], "best": None, "last": None}

    def back(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        return next((array.astype(leaf.dtype) for array in given if array.shape == leaf.shape), leaf)

    return _each(answer, back)


def _idle_script(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a script that ends well and has done nothing."""
    nothing: dict[str, Any] = {name: [] for name in SEEN}
    nothing["checkpoints"] = {}
    nothing |= dict.fromkeys(("error", "history", "kept_name", "kept"))
    return record | nothing | {"status": 0, "stopped": False}


def exception(_answer: Any, _arguments: dict[str, Any]) -> Any:
    """What a submission that raises comes to."""
    raise CheckFailed(Finding(message="RuntimeError: spoilt"))


KINDS: dict[str, Spoil] = {
    spoil.__name__: spoil for spoil in (zeros, constant, not_a_number, input_unchanged, exception)
}


def _each(tree: Any, change: Callable[[Any], Any], *, keep_digests: bool = False) -> Any:
    """A copy of an answer with every leaf changed; models become what a worker sends for them.

    Args:
        tree: the answer.
        change: what becomes of a leaf.
        keep_digests: of a file that later answers are held against.
    """
    if isinstance(tree, BaseModel):
        tree = {name: getattr(tree, name) for name in type(tree).model_fields}
    if isinstance(tree, dict):
        served = "digests" in tree and "file" in tree  # trained weights, which are the grader's own
        return {
            name: copy.deepcopy(value)
            if _is_structure(name, value) or (name == "digests" and (served or keep_digests))
            else _each(value, change, keep_digests=keep_digests)
            for name, value in tree.items()
        }
    if isinstance(tree, (list, tuple)):
        return [_each(value, change, keep_digests=keep_digests) for value in tree]
    return None if tree is None else change(tree)


def _is_structure(name: str, value: Any) -> bool:
    return (name in STRUCTURE and not isinstance(value, dict)) or (name == "metric" and value is not None)


def _arrays(tree: Any) -> Iterator[np.ndarray]:
    if isinstance(tree, np.ndarray):
        yield tree
    elif isinstance(tree, (dict, list)):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _arrays(value)


class Spoilt(TrustedSubject):
    """The solution at the end of a bad line: it is asked what a check asks, and its answers come out changed.

    Args:
        worker: where the solution runs.
        seed: as for every subject.
        answers: what it has answered before.
        logs: what it printed meanwhile, by the answer's identity, which lasts as long as `answers` hold it.
        spoil: what becomes of an answer.
    """

    def __init__(self, worker: Worker, seed: int, answers: dict[bytes, Any], logs: dict[int, str], spoil: Spoil):
        super().__init__(worker, seed, answers)
        self._logs = logs
        self._spoil = spoil
        self._printed = ""
        self.touched = False

    def ask(self, probe: str, arguments: dict[str, Any]) -> Any:
        """The solution's answer, spoilt, and still of the form that its probe has."""
        answer = super().ask(probe, arguments)
        self._printed = self._logs.setdefault(id(answer), super().log)
        self.touched = self.touched or self._spoil is exception
        spoilt = self._spoil(answer, arguments)
        if self._spoil is not unspoilt and not self.touched:
            self.touched = encode(spoilt) != encode(unspoilt(answer, arguments))
        return FORMS[probe].read(spoilt, arguments)

    @property
    def log(self) -> str:
        """What the solution printed when it was asked the same for the first time."""
        return self._printed


class Audit(SomeChecks):
    """Runs checks on the solution with one kind of spoiling; `touched` are those that got something spoilt.

    Args:
        rubric: the checks, each by itself.
        submission: what intake says of the solution.
        worker: where the solution runs.
        answers: what it has answered in earlier runs.
        logs: what it printed meanwhile.
        spoil: what becomes of an answer.
    """

    def __init__(
        self,
        rubric: Rubric,
        submission: Submission,
        worker: Worker,
        answers: dict[bytes, Any],
        logs: dict[int, str],
        spoil: Spoil,
    ) -> None:
        spoilt = submission.model_copy(update=FILES.get(spoil, {}))
        super().__init__(rubric, spoilt, worker, worker, SEED, lambda _: None, answers)
        self._spoil, self._logs, self._answers = spoil, logs, answers
        self.touched: set[str] = set()

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """The solution, spoilt."""
        name = check_id(request.node)
        subject = Spoilt(self._reference, self.seed_for(name, "torch"), self._answers, self._logs, self._spoil)
        request.node.stash[STUDENT] = subject
        yield subject
        files = self._spoil in FILES and "submission" in request.fixturenames
        # Trainings are shared, so the check that judges one need not be the one that asked for it.
        if subject.touched or files or (self._spoil in RUNS and name.startswith(("trainer", "fcn", "pretraining"))):
            self.touched.add(name)
        subject.close()


# What was handed in, for the checks that judge this: nothing, or weights only.
FILES: dict[Spoil, dict[str, Any]] = {
    zeros: {"files": ()},
    exception: {"files": ()},
    constant: {"files": ("1.pth",), "notes": (Note(path="1.pth", message=f"{Reason.WEIGHTS.value}."),)},
}
RUNS = (zeros, constant, not_a_number, input_unchanged, exception)
