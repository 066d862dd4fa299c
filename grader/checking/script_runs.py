"""Runs of a submission's scripts that several checks judge: each is made once, by the first check that asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from grader.answers.script_form import Checkpoint, Optimizer, Run, Step
from grader.checking import CheckFailed, NotScored, Subject, fail, share_used
from grader.checking.failing import as_check_failed
from grader.checking.shared_runs import Shared
from grader.checking.tolerances import tolerance
from grader.records import Finding
from grader.sandbox import Limits, WorkerLost

NEWER = "asked for by a newer handout"
OUTPUT = "results"
SAID = 1500
# Of a smoke training, always as many, so that the same seed gives the same weights on every machine.
TRAINING_THREADS = 2
GRACE_SECONDS = 30  # after its time is over, to write and to read what it has so far
# How a script without a parser ends that does not find its data where its author had them.
NO_DATA = {"OSError", "ConnectionError"}
NOT_FOUND = "Dataset not found"
RATE, GAMMA = 0.001, 0.98
SETTING = tolerance(
    "scripts.setting",
    "relative",
    "a rate that is computed, or written in other digits; 0.98 and 0.9801 are told apart",
    rule=1e-4,
)


@dataclass(frozen=True)
class Command:
    """A command line: the script, its options, and the files that it needs.

    Args:
        script: `train.py` or `train_segformer.py`.
        options: its arguments, without `--output`.
        files: by relative path, bytes or the tensors of a weights file.
        keep: return the bytes of the last model.
        stop: end the script at its first step, since only its settings are asked for.
        train: it is a smoke training: it may take longer, with more threads, and is ended when its time is over.
        typed: how it was run, in words, where that is no command line of ours: a script without an interface.
    """

    script: str
    options: tuple[str, ...]
    files: dict[str, Any] = field(default_factory=dict)
    keep: bool = False
    stop: bool = False
    train: bool = False
    typed: str | None = None

    @property
    def arguments(self) -> list[str]:
        """The whole list of arguments."""
        return [*self.options, "--output", OUTPUT]

    @property
    def line(self) -> str:
        """What a person would type."""
        return self.typed or f"python {self.script} {' '.join(self.arguments)}"


@dataclass(frozen=True)
class Made:
    """A run, however it ended: what it was started with, its record, and the end of what it printed.

    Args:
        command: what was run.
        run: what it did.
        said: the end of what it printed.
        limits: that it had.
        files: of a script without an interface, the digests of the weights that it may have started from, by file.
    """

    command: Command
    run: Run
    said: str
    limits: Limits
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def expect_end(self) -> None:
        """Fail unless the script came to its end as one that has done its work."""
        if self.run.error is not None:
            raise self._crash()
        if self.run.status != 0:
            fail(f"{self.command.script} did not run to its end.", expected="exit code 0", **self.end())

    def _crash(self) -> CheckFailed:
        assert self.run.error is not None
        failure = as_check_failed(self.run.error, self.limits)
        finding = failure.finding.model_copy(update={"example": self.command.line})
        return CheckFailed(finding, not_started=failure.not_started)

    def end(self) -> dict[str, str]:
        """How it ended, as fields of a finding."""
        return {
            "found": f"exit code {self.run.status}, after: {self.said or '(nothing)'}",
            "example": self.command.line,
        }

    def expect_seen(self, seen: object, what: str) -> None:
        """End the check unless there is something to judge: `seen` is empty where the script did not come so far.

        Args:
            seen: a part of the record.
            what: what it stands for, "a step of an optimizer".
        """
        if seen:
            return
        if self.run.error is not None and self.run.error.open_task:
            raise self._crash()
        if self.run.ended:
            fail(f"{self.command.script} ran to its end without {what}.", **self.end())
        raise NotScored(f"Cannot be judged: {self.command.script} broke off before {what}.")

    def checkpoint(self, which: str) -> tuple[str, Checkpoint]:
        """Name and content of a weights file with this word in its name; a failure if there is none to be read."""
        named = [name for name in self.run.checkpoints if which in name.rpartition("/")[2]]
        if not named:
            wrote = ", ".join(self.run.files) or "no file"
            expected = f"<Net>_model_{which}.pth in the folder that --output names"
            fail("A model was not saved.", expected=expected, found=wrote, example=self.command.line)
        name, found = named[0], self.run.checkpoints[named[0]]
        if found.problem is not None:
            fail(f"{name} cannot be loaded: {found.problem}.", example=self.command.line)
        return name, found

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that stepped first, or was made first where none came to a step."""
        number = self.run.steps[0].optimizer if self.run.steps else 0
        self.expect_seen(self.run.optimizers, "an optimizer")
        return self.run.optimizers[number if 0 <= number < len(self.run.optimizers) else 0]


class Runs:
    """What has been run so far, by name; an ending without a record is kept as the exception that told it."""

    def __init__(self) -> None:
        self._made = Shared[Made]()

    def known(self, name: str) -> Made | None:
        """The run of this name if it has been made and left a record."""
        return self._made.known(name)

    def get(self, name: str, student: Subject, command: Callable[[], Command]) -> Made:
        """The run of this name, made by this check's `student` if no check has asked before.

        Raises:
            CheckFailed: the script is not there.
            NotScored: it needs a GPU, or lacks an option that only newer handouts ask for.
            WorkerLost: its process died or went over a limit; whoever asks later gets a `NotScored`.
        """
        again = name in self._made
        try:
            return self._made.get(name, student, lambda: make(student, command()))
        except WorkerLost as lost:
            if again:
                raise NotScored(f"Cannot be judged: an earlier check has lost this run. {lost.message}") from None
            raise


def make(student: Subject, command: Command) -> Made:
    """Run a command in the fresh process and folder of a check."""
    limits = student.limits
    student.allow(limits.smoke_seconds + GRACE_SECONDS if command.train else limits.script_seconds)
    try:
        run = student.scripts_run(
            script=command.script,
            arguments=command.arguments,
            files=command.files,
            output=OUTPUT,
            seed=1,
            keep=command.keep,
            seconds=0 if command.stop else limits.smoke_seconds if command.train else None,
            threads=TRAINING_THREADS if command.train else 1,
        )
    except WorkerLost as lost:
        raise WorkerLost(lost.kind, f"{command.line}: {lost.message}{_advice(lost.kind, command)}") from None
    made = Made(command, run, student.log.strip()[-SAID:], student.limits)
    if run.error is not None:
        student.raise_unless_it_could_run(run.error)
    _expect_comparable(made)
    return made


def _advice(kind: str, command: Command) -> str:
    if kind != "time":
        return ""
    if command.train:
        return " The option --smoke-seconds allows more."
    return " It has a few images only. The option --script-seconds allows more."


def _expect_comparable(made: Made) -> None:
    """End the check where the script cannot be judged by this command line."""
    run, script = made.run, made.command.script
    if run.status is None:
        hint = "The section “Handing in” of the assignment lists the files."
        raise CheckFailed(Finding(message=f"{script} was not handed in.", hint=hint), own=True)
    if run.ended and run.files:
        return
    lacking = [option for option in made.command.arguments if option.startswith("--") and option not in run.options]
    if run.options and lacking:
        raise NotScored(f"{script} has no {', '.join(lacking)}: {NEWER}.")
    if not run.options and (run.status == 0 or _misses_data(made)):
        raise NotScored(f"{script} takes no arguments, such as --data-root: {NEWER}.")


def _misses_data(made: Made) -> bool:
    error = made.run.error
    return error is not None and (not NO_DATA.isdisjoint(error.bases) or NOT_FOUND in error.message)


def expect_outputs(made: Made, classes: int) -> None:
    """Fail unless the scores that reach the loss are as many maps as there are classes."""
    made.expect_seen(made.run.losses, "a loss of scores and labels")
    found = sorted({loss.classes for loss in made.run.losses})
    if found != [classes]:
        maps = f"{', '.join(map(str, found))} score maps"
        fail("The network has other outputs.", expected=f"{classes} score maps", found=maps)


def expect_steps(made: Made, least: int) -> None:
    """Fail if a run took fewer steps than its data, the batch size and the epochs that were asked for make."""
    if made.run.steps_taken < least:
        expected, found = f"{least} steps of the optimizer", f"{made.run.steps_taken}"
        fail("Training is shorter than it was asked to be.", expected=expected, found=found, example=made.command.line)


def is_set(found: float, expected: float) -> bool:
    """Whether a learning rate, or the factor of a schedule, is the one that was asked for."""
    return SETTING.admits(share_used(found, expected, SETTING))


def expect_settings(made: Made, rate: float = RATE) -> str | None:
    """Fail unless the optimizer is AdamW with amsgrad at a rate, which is 0.001 if no argument asks for another.

    Returns:
        A remark where it is another one and may be: the published handout only tells what its curves were made with.
    """
    optimizer = made.optimizer
    found = f"{optimizer.kind}, lr {optimizer.rate:g}, amsgrad={optimizer.amsgrad}"
    if optimizer.decoupled and optimizer.amsgrad and is_set(optimizer.rate, rate):
        return None
    if made.command.typed is None:
        fail("The optimizer is another one.", expected=f"AdamW, lr {rate:g}, amsgrad=True", found=found)
    return f"It is {found}. The published handout leaves that open: its curves are AdamW's, lr {rate:g}, amsgrad=True."


def expect_schedule(made: Made) -> str | None:
    """Fail unless each step of the scheduler multiplies the learning rate by 0.98, however it is written.

    Returns:
        A remark where it does something else and may, as above.
    """
    made.expect_seen(made.run.schedulers, "a learning-rate scheduler")
    scheduler = made.run.schedulers[0]
    known = scheduler.kind == "ExponentialLR"
    factor = scheduler.gamma if known else _factor(made.run.steps)
    if factor is not None and is_set(factor, GAMMA):
        return None
    found = f"{scheduler.kind}, a step multiplies the rate by {factor:.6g}" if factor is not None else scheduler.kind
    if made.command.typed is not None:
        found = found if known else scheduler.kind
        return (
            f"It is {found}. The published handout leaves that open: its curves are ExponentialLR's, gamma {GAMMA:g}."
        )
    if factor is None:
        raise NotScored(f"{scheduler.kind} was made and never stepped, so nobody can tell what a step does.")
    return fail("The scheduler is another one.", expected=f"ExponentialLR with gamma={GAMMA:g}", found=found)


def _factor(steps: list[Step]) -> float | None:
    """By what one step of the first scheduler multiplies the learning rate, None where that was never seen."""
    for early, late in pairwise(steps):
        if early.epochs and late.epochs and late.epochs[0] > early.epochs[0] and min(early.rates[0], late.rates[0]) > 0:
            return float((late.rates[0] / early.rates[0]) ** (1 / (late.epochs[0] - early.epochs[0])))
    return None
