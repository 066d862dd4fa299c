"""One submission through all stages, in reading order: intake, workers, checks, scoring, gradesheet."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from grader.checking import Call
from grader.environment import describe_environment
from grader.errors import GraderFault, SubmissionRejected
from grader.files import REFERENCE
from grader.intake import take_in
from grader.naming import PatchRefused, Recogniser
from grader.records import (
    Edition,
    Finding,
    Gradesheet,
    Isolation,
    Outcome,
    Status,
    Submission,
    Timings,
)
from grader.rubric import Rubric, load_rubric
from grader.sandbox import Limits, Worker, choose_isolation, work_folder
from grader.sandbox.limits import usable_cores
from grader.scoring import score, total
from grader.suite.evidence import Evidence, conclude
from grader.suite.plugin import Earlier
from grader.suite.runner import Runner, Setting
from grader.suite.second_process import SecondProcess
from grader.worker.cleaning import remove

STOPPED = "Not run: the grading was stopped before."


@dataclass(frozen=True)
class Options:
    """How to grade.

    Args:
        seed: what everything random is drawn from.
        isolation: the tier to insist on, None for the strongest that works.
        limits: what one check may use.
        parts: ids of the parts to grade, all if none is named.
        training: run the smoke trainings, too, and what else needs the machine for itself.
        edition: of the handout, None for the one that each hand-in's files tell of.
        runs: command lines of experiments, for scripts that have no interface.
    """

    seed: int
    isolation: Isolation | None = None
    limits: Limits = field(default_factory=Limits)
    parts: tuple[str, ...] = ()
    training: bool = True
    edition: Edition | None = None
    runs: tuple[str, ...] = ()


class Watcher:
    """Told how the grading goes on; this one says nothing."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def outcome(self, outcome: Outcome, number: int, checks: int) -> None:
        """A check has ended, the `number`th of `checks`."""


@dataclass
class Admitted:
    """A submission on its way: what intake says of it, where its tree is, and what its stages took."""

    submission: Submission
    rubric: Rubric
    tree: Path
    student: Worker
    clock: "StageClock"


class Shares(NamedTuple):
    """Which checks of a rubric run when: at first, beside these in a second process, and alone after all."""

    first: Rubric
    beside: Rubric | None
    alone: Rubric

    @classmethod
    def of(cls, rubric: Rubric) -> "Shares":
        """Share a rubric out, as the cores allow."""
        beside, in_turn = rubric.running("beside"), rubric.running("in turn")
        together = usable_cores() == 1 or not in_turn.checks
        return cls(
            first=rubric.running("in turn", "beside") if together else in_turn,
            beside=None if together or not beside.checks else beside,
            alone=rubric.running("alone"),
        )


class GradingRun:
    """What the gradings of one run share: workers of the solution, what it has answered, and the known mistakes.

    Args:
        rubric: what is graded.
        options: how.
        isolation: the tier that works here, and what it is in detail.
        watcher: told of the progress.
        stack: ends all that is started here.
    """

    def __init__(
        self, rubric: Rubric, options: Options, isolation: tuple[Isolation, str], watcher: Watcher, stack: ExitStack
    ) -> None:
        self._options = options
        self._isolation, self._detail = isolation
        self._watcher = watcher
        self._rubric = rubric
        self._admitted = 0
        self._room = stack.enter_context(work_folder())
        setting = Setting(self._isolation, options.limits, options.seed, self._room)
        self._second_process = (
            stack.enter_context(closing(SecondProcess(setting))) if Shares.of(rubric).beside else None
        )
        take_in(REFERENCE, self._room / "reference")
        self._runner = stack.enter_context(closing(Runner(setting)))
        self._recogniser = Recogniser(self._runner.reference, self._runner.answers)

    def admit(self, source: Path) -> Admitted:
        """Take a submission in and start its workers, which import torch while others do their work.

        Raises:
            SubmissionRejected: it cannot be graded as it was handed in.
        """
        clock = StageClock(self._watcher)
        with clock.stage("intake"):
            self._admitted += 1
            tree = self._room / f"submission_{self._admitted}"
            submission = take_in(source, tree)
            if self._options.edition is not None:
                submission = submission.model_copy(update={"edition": self._options.edition})
            submission = submission.model_copy(update={"runs": self._options.runs})
            student = self._runner.admit(tree)
            if self._second_process:
                self._second_process.admit(tree)
        return Admitted(submission, self._rubric.asked_by(submission.edition), tree, student, clock)

    def prepare(self, admitted: Admitted) -> None:
        """Wait until a submission can be graded."""
        admitted.clock.begin()
        with admitted.clock.stage("start of the workers"):
            admitted.student.wait_ready()
            self._runner.reference.start()

    def judge(self, admitted: Admitted) -> Gradesheet:
        """Run all checks on a submission and say what they show."""
        clock, rubric = admitted.clock, admitted.rubric
        try:
            with clock.stage("checks"):
                evidence = self._checks(admitted)
        finally:
            self._runner.dismiss(admitted.tree)
            remove([admitted.tree])  # a whole class would fill a disk
        outcomes, flags = conclude(rubric, evidence)
        with clock.stage("known mistakes"):
            outcomes |= named(self._recogniser, outcomes, evidence.calls)
        environment = describe_environment(
            self._isolation, self._detail, self._runner.reference.wait_ready(), self._options.limits
        )
        if not evidence.finished:
            outcomes = not_run(rubric) | outcomes
        items, parts = score(rubric, outcomes)
        return Gradesheet(
            submission=admitted.submission,
            seed=self._options.seed,
            complete=evidence.finished,
            points=total(items),
            parts=parts,
            items=items,
            tutor_items=rubric.tutor_items,
            flags=flags,
            trainings=tuple(evidence.trainings),
            script_runs=tuple(evidence.script_runs),
            environment=environment,
            timings=clock.timings(evidence.seconds),
        )

    def _checks(self, admitted: Admitted) -> Evidence:
        """Those that run in turn, beside them the others, and at last what has to be alone."""
        done: set[str] = set()
        shares = Shares.of(admitted.rubric)

        def tell(outcome: Outcome) -> None:
            done.add(outcome.check)
            self._watcher.outcome(outcome, len(done), len(admitted.rubric.checks))

        def tell_and_hear(outcome: Outcome) -> None:
            tell(outcome)
            if self._second_process:
                self._second_process.hear()

        submission, tree = admitted.submission, admitted.tree
        if self._second_process and shares.beside:
            self._second_process.run(shares.beside, submission, tree, tell)
        evidence = self._runner.run(shares.first, submission, tree, tell_and_hear)
        if self._second_process and shares.beside:
            evidence.add(self._second_process.finish(stop=not evidence.finished))
        if evidence.finished:
            outcomes = tuple(
                (check, evidence.outcomes[check.id])
                for check in admitted.rubric.checks
                if check.id in evidence.outcomes
            )
            earlier = Earlier(outcomes, evidence.ways)
            evidence.add(self._runner.run(shares.alone, submission, tree, tell, earlier))
        return evidence


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
    (graded,) = grade_all([source], options, watcher)
    if isinstance(graded, SubmissionRejected):
        raise graded
    return graded


def grade_all(
    sources: Sequence[Path], options: Options, watcher: Watcher
) -> Generator[Gradesheet | SubmissionRejected, None, None]:
    """Grade submissions one after another; while one is graded, the workers of the next start already.

    Whoever does not ask for all of them has to close it, which ends the workers.

    Yields:
        For each source, in their order, its gradesheet or why it cannot be graded; none after an interrupt.

    Raises:
        GraderFault: the grader or this host failed.
        UsageError: the isolation that was asked for does not work.
    """
    rubric = load_rubric().only(options.parts) if options.parts else load_rubric()
    if not options.training and not options.parts:
        rubric = rubric.running("in turn", "beside")
    watcher.stage("isolation")
    isolation = choose_isolation(options.isolation, own_folder=all(source.is_dir() for source in sources))
    with ExitStack() as stack:
        run = GradingRun(rubric, options, isolation, watcher, stack)
        admitted = (_admit(run, source) for source in sources)
        following = next(admitted, None)
        while following is not None:
            present = following
            if isinstance(present, Admitted):
                run.prepare(present)
            following = next(admitted, None)
            graded = run.judge(present) if isinstance(present, Admitted) else present
            yield graded
            if isinstance(graded, Gradesheet) and not graded.complete:
                return


def _admit(run: GradingRun, source: Path) -> Admitted | SubmissionRejected:
    try:
        return run.admit(source)
    except SubmissionRejected as refusal:
        return refusal


def named(
    recogniser: Recogniser, outcomes: Mapping[str, Outcome], calls: Mapping[str, Sequence[Call]]
) -> dict[str, Outcome]:
    """The failures that a known mistake explains, with its name in what the student reads."""
    try:
        names = recogniser.names(outcomes, calls)
    except (GraderFault, PatchRefused, OSError):
        return {}  # every verdict is there already, and must not be lost for the want of a name
    explained = {}
    for check, mistake in names.items():
        outcome = outcomes[check]
        told = {"likely": mistake.sentence, "hint": mistake.hint or outcome.finding.hint}
        explained[check] = outcome.model_copy(update={"finding": outcome.finding.model_copy(update=told)})
    return explained


def not_run(rubric: Rubric) -> dict[str, Outcome]:
    """What becomes of the checks that an interrupt kept from running."""
    finding = Finding(message=STOPPED)
    return {
        check.id: Outcome(check=check.id, status=Status.UNSCORED, score=0, finding=finding) for check in rubric.checks
    }


class StageClock:
    """Measures the stages and tells the watcher when one begins."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._stages: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Begin to count the whole time: what was done before was done while somebody else was graded."""
        self._began = time.monotonic()

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
