"""The planted submissions judge the checks: a mistake loses exactly its own checks, an odd solution loses none."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from grader.intake import take_in
from grader.pipeline import CHECKS, work_folder
from grader.plugin import GraderPlugin, run_checks
from grader.records import Outcome, Status
from grader.rubric import load_rubric
from grader.sandbox import Limits, Worker, choose_isolation
from tests.submissions import oddities
from tests.submissions.planted import (
    FOLDER,
    REFERENCE,
    PatchRefused,
    Planted,
    apply,
    right_submissions,
    wrong_submissions,
)

SEED = 1
RUBRIC = load_rubric()
RIGHT, WRONG = right_submissions(), wrong_submissions()
# What submissions import anyway, so that no check pays for it.
PRELOADED = ("matplotlib.pyplot", "pypdf", "torchvision")


class Bench:
    """Grades one submission after another with the same two workers, whose start takes longer than the checks.

    Args:
        folder: where the trees lie; the student's keeps its place, since the sandbox has it bound.
        stack: ends the workers.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        isolation, _ = choose_isolation(None, own_folder=True)
        self._fresh, self._tree = folder / "fresh", folder / "submission"
        take_in(REFERENCE, folder / "reference")
        take_in(REFERENCE, self._tree)
        self._student, self._reference = (
            stack.enter_context(Worker(tree.name, tree, isolation, Limits(), preload=PRELOADED))
            for tree in (self._tree, folder / "reference")
        )
        self._answers: dict[bytes, Any] = {}

    def grade(self, source: Path, parts: tuple[str, ...] = ()) -> dict[str, Outcome]:
        """Take a submission in and run the checks of some parts on it, of all if none is named."""
        submission = take_in(source, self._fresh)
        for old in self._tree.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for new in self._fresh.iterdir():
            new.rename(self._tree / new.name)
        self._fresh.rmdir()
        rubric = RUBRIC.only(parts) if parts else RUBRIC
        plugin = GraderPlugin(rubric, submission, self._student, self._reference, SEED, lambda _: None, self._answers)
        run_checks(plugin, CHECKS)
        return plugin.outcomes


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Both workers, started once."""
    with ExitStack() as stack:
        yield Bench(stack.enter_context(work_folder()), stack)


def names(submissions: list[Planted]) -> list[str]:
    """What they are called."""
    return [planted.name for planted in submissions]


def each(submissions: list[Planted]) -> pytest.MarkDecorator:
    """One test for each submission, named like it."""
    return pytest.mark.parametrize("planted", [pytest.param(planted, id=planted.name) for planted in submissions])


def differences(outcomes: dict[str, Outcome], planted: Planted) -> str:
    """Say, check by check, where the outcomes are not the planted ones; nothing when they are."""
    expected = dict.fromkeys(outcomes, Status.PASSED)
    expected |= dict.fromkeys(planted.unscored(RUBRIC), Status.UNSCORED)
    expected |= dict.fromkeys(planted.fails, Status.FAILED)
    assert expected.keys() == outcomes.keys()
    lines = []
    for name, status in expected.items():
        outcome = outcomes[name]
        if outcome.status is not status:
            lines.append(f"\n{name}: {outcome.status.value}, expected {status.value}. {told(outcome)}")
    return "".join(lines)


def told(outcome: Outcome) -> str:
    """What the student reads, on one line each."""
    shown = outcome.finding.model_dump(exclude_none=True, exclude={"hint"})
    return "".join(f"\n    {name}: {text}" for name, text in shown.items())


def test_reference_gets_full_points(bench):
    """The solution itself passes every check."""
    problems = differences(bench.grade(REFERENCE), Planted("reference"))
    assert not problems, problems


@each(WRONG)
def test_mistake_fails_exactly_its_checks(bench, planted, tmp_path):
    """A planted mistake fails the checks that are listed for it, and no other."""
    problems = differences(bench.grade(planted.make(tmp_path), planted.parts), planted)
    assert not problems, problems


@each(RIGHT)
def test_odd_solution_gets_full_points(bench, planted, tmp_path):
    """A correct solution written in an unexpected way passes every check."""
    problems = differences(bench.grade(planted.make(tmp_path), planted.parts), planted)
    assert not problems, problems


def test_every_check_fails_a_mistake():
    """No check is idle: each one fails at least one planted mistake."""
    failed = frozenset().union(*(planted.fails for planted in WRONG))
    assert failed == {check.id for check in RUBRIC.checks}


def test_every_mistake_is_listed():
    """Each patch in `wrong/` has its line in `expected.toml`, and each line a patch or an oddity."""
    patches = {path.stem for path in (FOLDER / "wrong").glob("*.patch")}
    listed = set(names(WRONG))
    assert patches <= listed <= patches | set(oddities.__all__)
    assert set(oddities.__all__) == {name for name, make in vars(oddities).items() if is_oddity(name, make)}


def is_oddity(name: str, value: object) -> bool:
    """Whether it is a public function of the module `oddities`."""
    return not name.startswith("_") and getattr(value, "__module__", None) == oddities.__name__


@pytest.mark.parametrize(
    "text",
    [
        "--- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n one\n-deux\n+2\n",
        "--- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n one\n-2\n+two\n",
        "--- a/missing.txt\n+++ b/missing.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
        "This is no patch.\n",
    ],
    ids=["other lines", "applied already", "no such file", "no patch"],
)
def test_patch_that_does_not_apply_is_refused(text, tmp_path):
    """A planted submission never passes for another one because its patch was left out silently."""
    (tmp_path / "notes.txt").write_text("one\ntwo\n")
    (tmp_path / "some.patch").write_text(text)
    with pytest.raises(PatchRefused, match=r"some\.patch"):
        apply(tmp_path / "some.patch", tmp_path)
