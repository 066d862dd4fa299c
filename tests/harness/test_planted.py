"""The planted submissions judge the checks: a mistake loses exactly its own checks, an odd solution loses none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.records import Outcome
from tests.harness.bench import RUBRIC, Bench, open_bench
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

RIGHT, WRONG = right_submissions(), wrong_submissions()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Both workers, started once."""
    with open_bench() as opened:
        yield opened


def grade(bench: Bench, planted: Planted, folder: Path) -> dict[str, Outcome]:
    """Make a submission in an empty folder, and run the checks of the parts that it could fail."""
    return bench.grade(planted.make(folder), planted.checks(RUBRIC)).outcomes


def names(submissions: list[Planted]) -> list[str]:
    """What they are called."""
    return [planted.name for planted in submissions]


def each(submissions: list[Planted]) -> pytest.MarkDecorator:
    """One test for each submission, named like it."""
    return pytest.mark.parametrize("planted", [pytest.param(planted, id=planted.name) for planted in submissions])


def test_reference_gets_full_points(bench):
    """The solution itself passes every check."""
    problems = Planted("reference").surprises(bench.grade(REFERENCE).outcomes, RUBRIC)
    assert not problems, problems


@each(WRONG)
def test_mistake_fails_exactly_its_checks(bench, planted, tmp_path):
    """A planted mistake fails the checks that are listed for it, and no other."""
    problems = planted.surprises(grade(bench, planted, tmp_path), RUBRIC)
    assert not problems, problems


@each(RIGHT)
def test_odd_solution_gets_full_points(bench, planted, tmp_path):
    """A correct solution written in an unexpected way passes every check."""
    problems = planted.surprises(grade(bench, planted, tmp_path), RUBRIC)
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
