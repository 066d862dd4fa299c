"""Checks that run beside others in a second process: the same verdicts, the same endings."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from grader import pipeline
from grader.errors import GraderFault
from grader.intake import take_in
from grader.pipeline import Options, Watcher, grade
from grader.records import Isolation, Outcome, Status, Submission
from grader.rubric import load_rubric
from grader.sandbox import Limits, work_folder
from grader.suite.runner import Setting
from grader.suite.second_process import SecondProcess
from tests.submissions.planted import REFERENCE

PRETRAINING = load_rubric().only(["pretraining"])


class Order(Watcher):
    """Remembers in which order checks ended."""

    def __init__(self) -> None:
        self.checks: list[str] = []
        self.numbers: list[int] = []

    def outcome(self, outcome: Outcome, number: int, checks: int) -> None:
        """One more."""
        del checks
        self.checks.append(outcome.check)
        self.numbers.append(number)


@pytest.mark.parametrize("cores", [1, 2])
def test_verdicts_are_the_same_on_any_number_of_cores(
    cores: int, monkeypatch: pytest.MonkeyPatch, example: Path, graded_on: dict[int, dict[str, object]]
) -> None:
    """One process or two: the same gradesheet, and every check is told once as it ends."""
    monkeypatch.setattr(pipeline, "usable_cores", lambda: cores)
    order = Order()
    options = Options(seed=1, isolation=Isolation.LANDLOCK, parts=("segformer", "pretraining", "handin"))
    sheet = grade(example, options, order)
    assert sorted(order.checks) == sorted(item.check for item in sheet.items)
    assert order.numbers == list(range(1, len(sheet.items) + 1))
    graded_on[cores] = sheet.model_dump(exclude={"timings"})
    assert graded_on[cores] == next(iter(graded_on.values()))


@pytest.fixture(scope="module")
def graded_on() -> dict[int, dict[str, object]]:
    """Gradesheets by the number of cores."""
    return {}


@pytest.fixture
def second() -> Iterator[tuple[SecondProcess, Submission, Path]]:
    """A second process that has admitted the solution."""
    with work_folder() as room:
        take_in(REFERENCE, room / "reference")
        submission = take_in(REFERENCE, room / "submission")
        with closing(SecondProcess(Setting(Isolation.NONE, Limits(), 1, room))) as beside:
            beside.admit(room / "submission")
            yield beside, submission, room / "submission"


def test_a_second_process_that_dies_is_our_fault(second: tuple[SecondProcess, Submission, Path]) -> None:
    """Killed in the middle of its checks, it ends the run with its exit code, and with no verdict."""
    beside, submission, tree = second
    beside.run(PRETRAINING, submission, tree, lambda _: second_process().kill())
    with pytest.raises(GraderFault, match="ended with code -9"):
        beside.finish()


def test_what_ended_before_an_interrupt_is_kept(second: tuple[SecondProcess, Submission, Path]) -> None:
    """Broken off after the first check, the second process tells what it has, and that it is not everything."""
    beside, submission, tree = second
    heard: list[Outcome] = []
    beside.run(PRETRAINING, submission, tree, heard.append)
    while not heard:
        beside.hear()
        time.sleep(0.01)
    seen = beside.finish(stop=True)
    assert not seen.finished
    assert 0 < len(seen.outcomes) < len(PRETRAINING.checks)
    assert heard[0].status is Status.PASSED


def test_an_interrupt_before_the_first_check_is_no_fault(second: tuple[SecondProcess, Submission, Path]) -> None:
    """Broken off while its worker still starts, it has shown nothing."""
    beside, submission, tree = second
    beside.run(PRETRAINING, submission, tree, lambda _: None)
    seen = beside.finish(stop=True)
    assert not seen.finished
    assert not seen.outcomes


def test_a_worker_that_cannot_start_is_told_by_the_second_process() -> None:
    """What keeps it from running checks is a fault of the first process, in the same words."""
    with work_folder() as room:
        take_in(REFERENCE, room / "reference")
        submission = take_in(REFERENCE, room / "submission")
        with closing(SecondProcess(Setting(Isolation.NONE, Limits(start_seconds=0.01), 1, room))) as beside:
            beside.admit(room / "submission")
            beside.run(PRETRAINING, submission, room / "submission", lambda _: None)
            with pytest.raises(GraderFault, match="submission worker did not start"):
                beside.finish()


def second_process() -> psutil.Process:
    """The process of the checks beside ours."""
    (found,) = (
        one
        for one in psutil.Process().children()
        if any("grader.suite.second_process" in word for word in one.cmdline())
    )
    return found
