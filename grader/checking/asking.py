"""Questions to a submission and to the solution, as a check asks them."""

import hashlib
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

from grader.answers.forms import FORMS, WrongForm
from grader.checking.failing import NotScored, as_check_failed
from grader.errors import GraderFault
from grader.records import Isolation
from grader.sandbox import CallError, CallFailed, Session, Worker, WorkerLost
from grader.worker.channel import encode

KEPT_BYTES = 20 << 20
# What torch says on a host without a GPU, by how it was built.
WITHOUT_GPU = ("No CUDA GPUs are available", "Found no NVIDIA driver", "Torch not compiled with CUDA enabled")


class Call(NamedTuple):
    """A question to a submission in a check, and its answer; `CallError` where it raised."""

    probe: str
    seed: int
    arguments: dict[str, Any]
    answer: Any


def digest_of(probe: str, seed: int, arguments: dict[str, Any]) -> bytes:
    """SHA-256 of everything that the answer to a call depends on, but for who is asked."""
    return hashlib.sha256(encode([probe, seed, arguments])).digest()


def _here() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class Subject:
    """A submission as a check sees it: every probe of `grader.probes` is a method, `<module>_<function>`.

    The child process is forked at the first call and lives until the check ends. `calls` are those that were answered;
    `remark` is what a check that passes has to say.

    Args:
        worker: where the code runs.
        seed: seeds torch before each call.
        spare: it is the code in the worker's spare folder.
        any_device: what insists on a GPU runs on the processor where there is none.
    """

    def __init__(self, worker: Worker, seed: int, *, spare: bool = False, any_device: bool = False) -> None:
        self._worker = worker
        self._seed = seed
        self._spare = spare
        self._any_device = any_device
        self._stack = ExitStack()
        self._session: Session | None = None
        self.limits = worker.limits
        self.calls: list[Call] = []
        self._taken_log = ""
        self._kept_alarms: set[tuple[str, str]] = set()
        self.remark: str | None = None

    def allow(self, seconds: float) -> None:
        """Give the calls of this check other time limits; before the first call."""
        self.limits = self._worker.limits.lasting(seconds)

    def begin_again(self) -> None:
        """Have the next call be answered by another fresh process; what looked like tampering is kept."""
        self._kept_alarms |= self.alarms
        self._stack.close()
        self._session = None

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
        if error.python is not None:
            raise NotScored(f"Not run: the code needs Python {error.python} or newer, and here is {_here()}{place}.")
        if error.lacks == "shared memory" and self._worker.isolation is Isolation.LANDLOCK:
            raise NotScored(f"Not run: the code needs memory that processes share, which Landlock cannot give{place}.")

    def _call(self, probe: str, arguments: dict[str, Any]) -> Any:
        if self._session is None:
            self._session = self._stack.enter_context(
                self._worker.session(self._seed, self.limits, spare=self._spare, any_device=self._any_device)
            )
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
        return self._kept_alarms | (self._session.alarms if self._session is not None else set())

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
        call = digest_of(probe, self._seed, arguments)
        if call not in self._answers:
            try:
                self._answers[call] = self._call(probe, arguments)
            except CallFailed as failure:
                raise GraderFault(f"The reference failed: {failure.error.traceback}") from failure
            except WorkerLost as lost:
                raise GraderFault(f"The reference worker gave no answer. {lost.message}") from lost
        return self._answers[call]
