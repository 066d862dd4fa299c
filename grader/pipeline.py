"""One submission through all stages, in reading order: intake, workers, checks, scoring, gradesheet."""

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from grader.errors import GraderFault
from grader.intake import modules_imported, take_in
from grader.naming import PatchRefused, Recogniser
from grader.plugin import GraderPlugin, run_checks
from grader.records import (
    Environment,
    Finding,
    Gradesheet,
    Isolation,
    Outcome,
    Status,
    Submission,
    Timings,
)
from grader.rubric import Rubric, load_rubric
from grader.sandbox import Limits, Worker, choose_isolation
from grader.scoring import score, total

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "tests" / "checks"
REFERENCE = ROOT / "reference"
# What takes long to import; each is imported once, before any check, where the hand-in imports of its package.
HEAVY_PACKAGES = ("matplotlib", "torchvision.transforms.v2")
TRAININGS = "smoke"
STOPPED = "Not run: the grading was stopped before."


@dataclass(frozen=True)
class Options:
    """How to grade.

    Args:
        seed: what everything random is drawn from.
        isolation: the tier to insist on, None for the strongest that works.
        limits: what one check may use.
        parts: ids of the parts to grade, all if none is named.
        training: run the smoke trainings, too.
    """

    seed: int
    isolation: Isolation | None = None
    limits: Limits = field(default_factory=Limits)
    parts: tuple[str, ...] = ()
    training: bool = True


class Watcher:
    """Told how the grading goes on; this one says nothing."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def outcome(self, outcome: Outcome, number: int, checks: int) -> None:
        """A check has ended, the `number`th of `checks`."""


def grade(source: Path, options: Options, watcher: Watcher) -> Gradesheet:
    """Grade one submission.

    Args:
        source: a zip or a folder.
        options: how.
        watcher: told of the progress.

    Returns:
        The gradesheet; `complete` is False if the user interrupted the checks.

    Raises:
        SubmissionRejected: it cannot be graded as it was handed in.
        GraderFault: the grader or this host failed.
        UsageError: the source does not exist, or the isolation that was asked for does not work.
    """
    clock = StageClock(watcher)
    rubric = load_rubric().only(options.parts) if options.parts else load_rubric()
    if not options.training and TRAININGS not in options.parts:
        rubric = rubric.without(TRAININGS)
    with clock.stage("isolation"):
        isolation, detail = choose_isolation(options.isolation, own_folder=source.is_dir())
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())

        def worker(name: str, tree: Path, limits: Limits) -> Worker:
            imported = modules_imported(tree)
            heavy = (*(module for module in HEAVY_PACKAGES if module.partition(".")[0] in imported), "pypdf")
            return stack.enter_context(Worker(name, tree, isolation, limits, preload=heavy, room=folder))

        with clock.stage("intake"):
            submission = take_in(source, folder / "submission")
            student = worker("submission", folder / "submission", options.limits)
            take_in(REFERENCE, folder / "reference")
            reference = worker("reference", folder / "reference", options.limits.for_reference())
        with clock.stage("start of the workers"):
            versions = reference.wait_ready()
            student.wait_ready()
        environment = describe_environment(isolation, detail, versions, options.limits)
        answers: dict[bytes, Any] = {}
        recogniser = stack.enter_context(Recogniser(reference, answers))
        tell = _teller(rubric, watcher, recogniser)
        plugin = GraderPlugin(rubric, submission, student, reference, options.seed, tell, answers)
        with clock.stage("checks"):
            finished = run_checks(plugin, CHECKS)
        with clock.stage("known mistakes"):
            plugin.outcomes |= named(plugin, recogniser)
    return _gradesheet(rubric, submission, plugin, options.seed, environment, clock, complete=finished)


def _teller(rubric: Rubric, watcher: Watcher, recogniser: Recogniser) -> Callable[[Outcome], None]:
    done: set[str] = set()

    def tell(outcome: Outcome) -> None:
        done.add(outcome.check)
        watcher.outcome(outcome, len(done), len(rubric.checks))
        if outcome.status is Status.FAILED and not outcome.not_started:
            with suppress(OSError):  # told where it is needed
                recogniser.prepare()

    return tell


def named(plugin: GraderPlugin, recogniser: Recogniser) -> dict[str, Outcome]:
    """The failures that a known mistake explains, with its name in what the student reads."""
    try:
        names = recogniser.names(plugin.outcomes, plugin.calls)
    except (GraderFault, PatchRefused, OSError):
        return {}  # every verdict is there already, and must not be lost for the want of a name
    outcomes = {}
    for check, mistake in names.items():
        outcome = plugin.outcomes[check]
        told = {"likely": mistake.sentence, "hint": mistake.hint or outcome.finding.hint}
        outcomes[check] = outcome.model_copy(update={"finding": outcome.finding.model_copy(update=told)})
    return outcomes


def _gradesheet(
    rubric: Rubric,
    submission: Submission,
    plugin: GraderPlugin,
    seed: int,
    environment: Environment,
    clock: "StageClock",
    *,
    complete: bool,
) -> Gradesheet:
    outcomes = dict(plugin.outcomes)
    if not complete:
        for check in rubric.checks:
            stopped = Outcome(check=check.id, status=Status.UNSCORED, score=0, finding=Finding(message=STOPPED))
            outcomes.setdefault(check.id, stopped)
    items, parts = score(rubric, outcomes)
    return Gradesheet(
        submission=submission,
        seed=seed,
        complete=complete,
        points=total(items),
        parts=parts,
        items=items,
        tutor_items=rubric.tutor_items,
        flags=plugin.flags,
        trainings=tuple(plugin.trainings_seen),
        environment=environment,
        timings=clock.timings(plugin.seconds),
    )


@contextmanager
def work_folder() -> Iterator[Path]:
    """A temporary folder that workers under another user id can reach into, but not list.

    It goes also when this process is killed: a shell waits for the end of a pipe that only we hold, and removes it.
    """
    with tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        janitor = subprocess.Popen(  # noqa: S603 - a command of our own making
            ["/bin/sh", "-c", 'read -r _ || { sleep 1; chmod -R u+rwx -- "$1"; rm -rf -- "$1"; }', "janitor", name],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield folder
        finally:
            janitor.communicate(b"\n")


class StageClock:
    """Measures the stages and tells the watcher when one begins."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._began = time.monotonic()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage."""
        self._watcher.stage(name)
        began = time.monotonic()
        yield
        self._stages[name] = round(time.monotonic() - began, 3)

    def timings(self, checks: dict[str, float]) -> Timings:
        """All that was measured, in seconds."""
        return Timings(
            graded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            total_seconds=round(time.monotonic() - self._began, 3),
            stages=self._stages,
            checks={name: round(seconds, 3) for name, seconds in checks.items()},
        )


def describe_environment(isolation: Isolation, detail: str, versions: dict[str, object], limits: Limits) -> Environment:
    """Name everything that a verdict could depend on."""
    try:
        return Environment(
            grader=own_version(),
            python=str(versions["python"]),
            torch=str(versions["torch"]),
            platform=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            isolation=isolation,
            isolation_detail=detail,
            device="cpu",
            limits=limits.model_dump(),
        )
    except KeyError as error:
        raise GraderFault(f"The reference worker did not tell its {error}.") from error


def own_version() -> str:
    """The version of this package, also when it is run from a checkout that was never installed."""
    try:
        return version("segcourse-grader")
    except PackageNotFoundError:
        import tomllib

        return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
