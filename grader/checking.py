"""The vocabulary of the graded checks: ask a worker, compare, and say what is wrong so that it teaches.

A check is a pytest function in `tests/checks/`. It gets `student` and `reference` (see `Subject`), draws fresh inputs,
and ends by returning (passed), by `CheckFailed` (the submission is wrong) or by `NotScored` (nobody can tell).
"""

import errno
import hashlib
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grader.errors import GraderFault
from grader.forms import FORMS, WrongForm
from grader.records import Finding, Isolation
from grader.sandbox import CallFailed, Limits, Session, Worker, WorkerLost
from grader.sandbox.worker import CallError
from grader.tolerances import Tolerance
from grader.worker.channel import encode

SHOWN_VALUES = 12
KEPT_BYTES = 20 << 20
# What torch says on a host without a GPU, by how it was built.
WITHOUT_GPU = ("No CUDA GPUs are available", "Found no NVIDIA driver", "Torch not compiled with CUDA enabled")


class CheckFailed(Exception):  # noqa: N818 - the submission failed the check; nothing is wrong with us
    """The submission does not do what the check asks.

    Args:
        finding: what the student is told.
        score: partial credit, a share of the points.
        not_started: the starter's open task was left as it was.
        own: it cannot come from a mistake elsewhere, such as in a part that the rubric says the check follows.
        contradiction: what looks invented, in a sentence for the tutor; flagged unless the check is left open.
    """

    def __init__(
        self,
        finding: Finding,
        *,
        score: float = 0.0,
        not_started: bool = False,
        own: bool = False,
        contradiction: str | None = None,
    ) -> None:
        super().__init__(finding.message)
        self.finding = finding
        self.score = score
        self.not_started = not_started
        self.own = own
        self.contradiction = contradiction


class NotScored(Exception):  # noqa: N818 - a verdict of its own
    """The check cannot be judged here; its points stay open for the tutor."""


class Call(NamedTuple):
    """A question to a submission in a check, and its answer; `CallError` where it raised."""

    probe: str
    seed: int
    arguments: dict[str, Any]
    answer: Any


def fail(message: str, **context: str | None) -> NoReturn:
    """End the check as failed; `context` are further fields of `Finding`."""
    raise CheckFailed(Finding(message=message, **context))


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


class Subject:
    """A submission as a check sees it: every probe of `grader.probes` is a method, `<module>_<function>`.

    The child process is forked at the first call and lives until the check ends. `calls` are those that were answered;
    `remark` is what a check that passes has to say.

    Args:
        worker: where the code runs.
        seed: seeds torch before each call.
        spare: it is the code in the worker's spare folder.
    """

    def __init__(self, worker: Worker, seed: int, *, spare: bool = False) -> None:
        self._worker = worker
        self._seed = seed
        self._spare = spare
        self._stack = ExitStack()
        self._session: Session | None = None
        self.limits = worker.limits
        self.calls: list[Call] = []
        self._taken_log = ""
        self.remark: str | None = None

    def allow(self, seconds: float) -> None:
        """Give the calls of this check other time limits; before the first call."""
        self.limits = self._worker.limits.lasting(seconds)

    def __getattr__(self, probe: str) -> Callable[..., Any]:
        if probe.startswith("_"):
            raise AttributeError(probe)

        def ask(**arguments: Any) -> Any:
            return self.ask(probe, arguments)

        return ask

    def ask(self, probe: str, arguments: dict[str, Any]) -> Any:
        """Call a probe; its value, or `CheckFailed` for what the submission raised.

        Raises:
            CheckFailed: the submission raised.
            WorkerLost: there was no answer, or one of another form than the probe's.
            NotScored: it insists on what this host cannot offer: a GPU, or shared memory under Landlock.
        """
        answer = self.attempt(probe, arguments)
        self._keep(Call(probe, self._seed, arguments, answer))
        if isinstance(answer, CallError):
            self.raise_unless_it_could_run(answer)
            raise as_check_failed(answer, self.limits)
        return answer

    def attempt(self, probe: str, arguments: dict[str, Any]) -> Any:
        """Call a probe; its value, or a `CallError` where the submission raised.

        Raises:
            WorkerLost: as `ask` does.
        """
        try:
            return self._call(probe, arguments)
        except CallFailed as failure:
            return failure.error

    def _keep(self, call: Call) -> None:
        """Remember a call; none at all where answers are so large that keeping them would take our memory."""
        if self.received <= KEPT_BYTES:
            self.calls.append(call)
        else:
            self.calls.clear()

    def raise_unless_it_could_run(self, error: CallError) -> None:
        """Raise `NotScored` for what this host cannot offer, through no fault of the submission."""
        place = f" ({error.where})" if error.where else ""
        if any(words in error.message for words in WITHOUT_GPU):
            raise NotScored(f"Not run: the code needs a GPU, and there is none here{place}.")
        if error.lacks == "shared memory" and self._worker.isolation is Isolation.LANDLOCK:
            raise NotScored(f"Not run: the code needs memory that processes share, which Landlock cannot give{place}.")

    def _call(self, probe: str, arguments: dict[str, Any]) -> Any:
        if self._session is None:
            self._session = self._stack.enter_context(self._worker.session(self._seed, self.limits, spare=self._spare))
        answer = self._session.call(probe, arguments)
        try:
            return FORMS[probe].read(answer, arguments)
        except WrongForm as wrong:
            self._session.alarms.add(("forged", f"{probe} answered what the grader's own code never does: {wrong}"))
            raise WorkerLost("garbage", f"The answer is not of the form that the question has: {wrong}.") from None

    @property
    def received(self) -> int:
        """How many bytes were answered in this check so far."""
        return self._session.received if self._session is not None else 0

    @property
    def alarms(self) -> set[tuple[str, str]]:
        """What looked like tampering in this check so far, as (kind, evidence)."""
        return self._session.alarms if self._session is not None else set()

    @property
    def log(self) -> str:
        """What the code printed in this check so far."""
        return self._taken_log + (self._session.log if self._session is not None else "")

    def take_over(self, calls: Iterable[Call], log: str) -> None:
        """Take in what was asked and answered, and printed, in another check's process, once."""
        self.calls += [call for call in calls if not any(call is known for known in self.calls)]
        self._taken_log = log

    @property
    def has_gpu(self) -> bool:
        """Whether the worker can use a GPU."""
        return self._worker.wait_ready()["cuda"] is True

    def processor_seconds(self) -> float:
        """What all processes of the worker have used of the processors so far."""
        return self._worker.processor_seconds()

    def stopped(self) -> AbstractContextManager[None]:
        """Keep its processes from running while others are timed."""
        return self._worker.stopped()

    def close(self) -> None:
        """End the child process, and let go of what was said."""
        self._stack.close()
        self.calls = []


class TrustedSubject(Subject):
    """The reference: whatever goes wrong in it is the grader's fault, and an equal call is answered only once.

    Args:
        worker: where the solution runs.
        seed: seeds torch before each call.
        answers: earlier answers, by a digest of everything that the call depends on.
    """

    def __init__(self, worker: Worker, seed: int, answers: dict[bytes, Any]) -> None:
        super().__init__(worker, seed)
        self._answers = answers

    def ask(self, probe: str, arguments: dict[str, Any]) -> Any:
        """Call a probe, or answer as before; a failure is a `GraderFault`."""
        call = hashlib.sha256(encode([probe, self._seed, arguments])).digest()
        if call not in self._answers:
            try:
                self._answers[call] = self._call(probe, arguments)
            except CallFailed as failure:
                raise GraderFault(f"The reference failed: {failure.error.traceback}") from failure
            except WorkerLost as lost:
                raise GraderFault(f"The reference worker gave no answer. {lost.message}") from lost
        return self._answers[call]


def as_check_failed(error: CallError, limits: Limits) -> CheckFailed:
    """Put an exception inside the submission into words, naming the limit that it may have run into."""
    if "NotImplementedError" in error.bases:
        message = f"Not written yet. {error.message}".strip()
        return CheckFailed(Finding(message=message, where=error.where), not_started=True)
    if error.wrong_answer:
        return CheckFailed(Finding(message=error.message, where=error.where))
    if error.missing_module is not None:
        return CheckFailed(_missing(error, error.missing_module))
    place = f" in {error.where}" if error.where else ""
    text = f"{error.type}{place}: {error.message}" if error.message else f"{error.type}{place}"
    if (limit := _limit_behind(error, limits)) is not None:
        text += f" ({limit})"
    return CheckFailed(Finding(message=text, where=error.where, traceback=error.traceback))


def _limit_behind(error: CallError, limits: Limits) -> str | None:
    """The limit of the sandbox that an error comes from, by the number that the operating system gave it."""
    if error.lacks == "network":
        return "there is no network where this is graded"
    by_number = {
        errno.EMFILE: f"the limit is {limits.files} open files",
        errno.EFBIG: f"the limit is {limits.file_mib} MiB for a file",
        errno.ENOSPC: f"the limit is {limits.file_mib} MiB for temporary files",
        errno.EAGAIN: f"the limit is {limits.processes} processes and threads",
        errno.ENOMEM: f"the limit is {limits.memory_mib} MiB of memory",
    }
    if error.errno is not None:
        return by_number.get(error.errno)
    if "MemoryError" in error.bases or "can't allocate memory" in error.message:
        return by_number[errno.ENOMEM]
    return by_number[errno.EAGAIN] if "can't start new thread" in error.message else None


def _missing(error: CallError, module: str) -> Finding:
    if module.partition(".")[0] == "dlvc":
        path = module.replace(".", "/")
        hint = "The section “Handing in” of the assignment lists the files."
        return Finding(message=f"{path}.py was not handed in.", where=error.where, hint=hint)
    return Finding(
        message=f"The code imports the package {module!r}, which is not installed where it is graded.",
        where=error.where,
        traceback=error.traceback,
        hint="Only Python's own library, torch, torchvision, numpy, matplotlib and tqdm can be relied on.",
    )
