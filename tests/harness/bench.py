"""Grading one submission after another with the same two workers, whose start takes longer than the checks."""

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unittest import mock

import hypothesis
import psutil
import pytest
from hypothesis import Phase

from grader.checking import Call
from grader.files import CHECKS
from grader.intake import take_in
from grader.naming import Recogniser
from grader.records import Flag, Isolation, Outcome, Points, SmokeTraining, Status
from grader.rubric import Rubric, load_rubric
from grader.sandbox import Limits, Worker, WorkerLost, choose_isolation, work_folder
from grader.sandbox.tiers import python_folders
from grader.scoring import score, total
from grader.suite import plugin as plugin_module
from grader.suite.evidence import conclude
from grader.suite.plugin import SETTINGS, GraderPlugin, check_id
from grader.suite.pytest_run import run_checks
from grader.worker.cleaning import remove
from tests.harness.packing import files_of
from tests.submissions.planted import REFERENCE

SEED = 1
# Of each Hypothesis check, where many submissions are graded: a real grading tries 60, as do `mistakes` and `flakes` of
# tests.verdicts.
FEW_EXAMPLES = 20
# What needs the machine for itself has tests of its own.
RUBRIC = load_rubric().running("in turn", "beside")
WRITABLE = ("tmp", "dev/shm")
# What submissions import anyway, so that no check pays for it.
PRELOADED = ("matplotlib.pyplot", "pypdf", "torchvision.transforms.v2")


class Graded(NamedTuple):
    """What came out of one submission."""

    outcomes: dict[str, Outcome]
    flags: tuple[Flag, ...]
    points: Points
    trainings: tuple[SmokeTraining, ...] = ()
    calls: dict[str, list[Call]] = {}  # noqa: RUF012 - a default that nobody writes to


class SomeChecks(GraderPlugin):
    """Runs those checks that its rubric lists, and none of the others in the folder."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the others out before rubric and tests are matched."""
        items[:] = [item for item in items if check_id(item) in self._checks]
        super().pytest_collection_modifyitems(items)


Some = TypeVar("Some", bound=SomeChecks)


class FirstFailure(SomeChecks):
    """Ends a run at the first check that fails, and keeps what became of it: to be caught, once is enough."""

    caught: Outcome | None = None
    lost: WorkerLost | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Have the run end where an outcome is a failure."""
        report = yield from super().pytest_runtest_makereport(item, call)
        outcome = self.evidence.outcomes.get(check_id(item))
        if self.caught is None and outcome is not None and outcome.status is Status.FAILED:
            self.caught = outcome
            self.lost = error if call.excinfo and isinstance(error := call.excinfo.value, WorkerLost) else None
            item.session.shouldfail = f"{outcome.check} has failed"
        return report

    def _ask_more(self, item: pytest.Item) -> None:
        """Leave it: nobody looks for the name of a mistake here."""


class Bench:
    """Two workers of a tier; the folder that the student's imports from is filled anew for each submission.

    Args:
        folder: where everything lies; the sandbox has the tree in it bound, so it keeps its place.
        stack: ends the workers.
        isolation: the tier.
        limits: what a check may use.
        preload: what submissions import anyway, so that no check pays for it.
    """

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        isolation: Isolation,
        limits: Limits,
        preload: tuple[str, ...] = ("pypdf", "torchvision"),
    ) -> None:
        self._fresh, self._tree, self._room = folder / "fresh", folder / "submission", folder / "room"
        self._room.mkdir(mode=0o711)
        self._limits = limits
        take_in(REFERENCE, folder / "reference")
        take_in(REFERENCE, self._tree)
        self._student = stack.enter_context(
            Worker("submission", self._tree, isolation, limits, preload=preload, room=self._room)
        )
        self._reference = stack.enter_context(
            Worker("reference", folder / "reference", isolation, Limits(), preload, spare=folder / "mistake")
        )
        # No check may wait for torch's import: the time would be taken from its own.
        self._student.wait_ready()
        self._reference.wait_ready()
        self._answers: dict[bytes, Any] = {}
        self.recogniser = Recogniser(self._reference, self._answers)

    def grade(
        self, source: Path, checks: Iterable[str] | Rubric | None = None, seconds: float | None = None, seed: int = SEED
    ) -> Graded:
        """Take a submission in and run checks on it, all of the rubric's unless some are named.

        Args:
            source: a folder or a zip.
            checks: ids, and what they require has to be among them; or a rubric of one's own.
            seconds: a time limit for calls and checks that differs from the bench's.
            seed: of everything random in the checks.
        """
        plugin, rubric = self._run(SomeChecks, source, checks, seconds, seed)
        outcomes, flags = conclude(rubric, plugin.evidence)
        items, _ = score(rubric, outcomes)
        return Graded(outcomes, flags, total(items), tuple(plugin.evidence.trainings), plugin.evidence.calls)

    def until_one_fails(
        self, source: Path, checks: Iterable[str], seconds: float | None = None, seed: int = SEED
    ) -> FirstFailure:
        """Run checks as `grade` does, but none after the first that fails, for which no smaller example is sought."""
        with unshrunk():
            return self._run(FirstFailure, source, checks, seconds, seed)[0]

    def _run(
        self, kind: type[Some], source: Path, checks: Iterable[str] | None, seconds: float | None, seed: int
    ) -> tuple[Some, Rubric]:
        submission = take_in(source, self._fresh)
        for old in self._tree.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for new in self._fresh.iterdir():
            new.rename(self._tree / new.name)
        self._fresh.rmdir()
        before = files_of(self._tree)
        times = {} if seconds is None else {"call_seconds": seconds, "check_seconds": seconds}
        self._student.limits = self._limits.model_copy(update=times)
        rubric = _only(checks).asked_by(submission.edition)
        plugin = kind(rubric, submission, self._student, self._reference, seed, lambda _: None, self._answers)
        run_checks(plugin, CHECKS)
        assert files_of(self._tree) == before, "the submission was changed"
        return plugin, rubric

    def run_student_with(self, threads: int = 1, python: str = sys.executable) -> dict[str, Any]:
        """Have submissions run with so many threads and this interpreter from now on; what their worker is, told by it.

        Another interpreter is started without isolation, which would show it the packages of this one.
        """
        worker = self._student
        if (worker.threads, worker.python) != (threads, python):
            worker.stop()
            worker.threads, worker.python = threads, python
            worker.isolation = self._reference.isolation if python == sys.executable else Isolation.NONE
        return worker.wait_ready()

    def remains(self) -> list[str]:
        """What the last submission has left behind, cleared away so that the next one is judged by itself."""
        left = self._left()
        if left:
            self._student.stop()
            remove(list(self._room.iterdir()))
        return left

    def _left(self) -> list[str]:
        """Processes below the zygotes, and files where they may write."""
        family = psutil.Process().children(recursive=True)
        zygotes = [process for process in family if _is_zygote(process)]
        left = [_describe(stray) for zygote in zygotes for stray in zygote.children(recursive=True)]
        left += [str(path) for path in self._room.glob("*/*")]
        for zygote in zygotes:
            # The file system as a worker sees it; without a mount namespace of its own it is the host's.
            seen = Path(f"/proc/{zygote.pid}/root")
            if (seen / "submission").exists() and (seen / "harness").exists():
                found = [path for name in WRITABLE for path in (seen / name).iterdir()]
                left += [str(path) for path in found if not _leads_to_python(path.relative_to(seen))]
        return left


@contextmanager
def open_bench() -> Iterator[Bench]:
    """A bench of the strongest tier that works here, with the limits of a real grading."""
    with ExitStack() as stack:
        tier, _ = choose_isolation(None, own_folder=True)
        yield Bench(stack.enter_context(work_folder()), stack, tier, Limits(), PRELOADED)


@contextmanager
def unshrunk(examples: int = SETTINGS.max_examples) -> Iterator[None]:
    """Have no smaller examples looked for when a check fails, and so many tried."""
    quick = hypothesis.settings(SETTINGS, phases=(Phase.explicit, Phase.generate), max_examples=examples)
    with mock.patch.object(plugin_module, "SETTINGS", quick):
        yield


def independent(checks: Iterable[str]) -> Rubric:
    """These checks, each by itself: none is left open for what it requires or follows."""
    wanted, rubric = frozenset(checks), load_rubric()
    alone = {"requires": (), "follows": ()}
    chosen = tuple(check.model_copy(update=alone) for check in rubric.checks if check.id in wanted)
    return rubric.model_copy(update={"checks": chosen})


def _only(checks: Iterable[str] | Rubric | None) -> Rubric:
    if checks is None or isinstance(checks, Rubric):
        return checks or RUBRIC
    wanted = frozenset(checks)
    return Rubric(
        parts=RUBRIC.parts,
        checks=tuple(check for check in load_rubric().checks if check.id in wanted),
        tutor_items=RUBRIC.tutor_items,
    )


def _leads_to_python(path: Path) -> bool:
    """Whether the interpreter lives below a folder that is otherwise the worker's to write in."""
    return any(Path(folder).is_relative_to("/" / path) for folder in python_folders())


def _is_zygote(process: psutil.Process) -> bool:
    """A worker's first process, which no other process of it stands above."""
    try:
        command, parent = process.cmdline(), process.parent()
        above = parent.cmdline() if parent is not None else []
    except psutil.Error:
        return False
    return runs_worker(command) and not runs_worker(above)


def runs_worker(command: list[str]) -> bool:
    """Whether a command line is that of a zygote, which its children keep."""
    return bool(command) and "python" in Path(command[0]).name and any("worker/__main__.py" in word for word in command)


def _describe(process: psutil.Process) -> str:
    try:
        return f"process {process.pid}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"process {process.pid}"
