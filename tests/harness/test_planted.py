"""The planted submissions judge the checks: a mistake loses exactly its own checks, an odd solution loses none."""

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from grader.intake import take_in
from grader.naming import PatchRefused, apply_patch
from tests.harness.bench import FEW_EXAMPLES, RUBRIC, Bench, independent, open_bench, unshrunk
from tests.submissions import oddities
from tests.submissions.planted import (
    FOLDER,
    REFERENCE,
    SOLUTION,
    Planted,
    repeated_mistakes,
    right_submissions,
    wrong_submissions,
)

RIGHT, WRONG = right_submissions(), wrong_submissions()
# Each is written in the way of another one that is run by day: loaders_that_linger, shift_in_the_data_set,
# backbone_by_its_url, bare_package_in_the_zip.
REPEATED_RIGHT = frozenset(
    {
        "backbone_copied_by_hand",
        "data_loaded_by_workers",
        "loaders_with_processes",
        "seeds_in_the_models",
        "shift_in_the_scripts",
        "no_init_files",
    }
)
# One check for each file, that tells whether it can be imported; of the scripts those that only begin to run.
IMPORTS = ("metrics.worked_example", "trainer.steps", "segformer.layout", "fcn.defaults", "pretraining.defaults")
LONGEST = 100  # characters of what a mistake does: it ends a line of feedback that has to be taken in at a glance
# Mistakes that fail the same checks with the same output, whatever the inputs, may share words that are true of all.
SAME_BY_NATURE = (
    frozenset({"gradients_zeroed_before_the_step", "backward_left_out"}),
    # The loss of validation falls in each epoch, and no training follows the last validation.
    frozenset({"best_model_whenever_validated", "best_model_by_loss", "best_model_kept_by_reference"}),
)
# Mistakes whose output is that of another one, too.
NAMELESS: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Both workers, started once."""
    with open_bench() as opened:
        yield opened


def names(submissions: list[Planted]) -> list[str]:
    """What they are called."""
    return [planted.name for planted in submissions]


def each(submissions: list[Planted], nightly: frozenset[str]) -> pytest.MarkDecorator:
    """One test for each submission, named like it."""
    marks = dict.fromkeys(nightly, (pytest.mark.nightly,))
    parameters = [pytest.param(planted, id=planted.name, marks=marks.get(planted.name, ())) for planted in submissions]
    return pytest.mark.parametrize("planted", parameters)


def test_what_is_left_to_the_night_is_planted():
    """Each name in the lists is a planted submission, and every check fails a mistake that is in none."""
    assert repeated_mistakes() <= set(names(WRONG))
    assert set(names(RIGHT)) >= REPEATED_RIGHT
    by_day = [planted.fails for planted in WRONG if planted.name not in repeated_mistakes()]
    assert frozenset().union(*by_day) == {check.id for check in RUBRIC.checks}


@pytest.mark.nightly  # test_command.py and test_self_audit.py have every check on it
def test_reference_gets_full_points(bench):
    """The solution itself passes every check."""
    problems = SOLUTION.surprises(bench.grade(REFERENCE).outcomes, RUBRIC)
    assert not problems, problems


@each(WRONG, repeated_mistakes())
def test_mistake_fails_exactly_its_checks(bench, planted, tmp_path):
    """A planted mistake fails the checks that are listed for it and no other, and is called by its name or none."""
    with unshrunk(FEW_EXAMPLES):
        graded = bench.grade(planted.make(tmp_path), planted.checks(RUBRIC))
    problems = planted.surprises(graded.outcomes, RUBRIC)
    assert not problems, problems
    names = {mistake.what for mistake in bench.recogniser.names(graded.outcomes, graded.calls).values()}
    assert names == ({planted.what} if planted.patch.exists() and planted.name not in NAMELESS else set())


@each(RIGHT, REPEATED_RIGHT)
def test_odd_solution_gets_full_points(bench, planted, tmp_path):
    """A correct solution written in an unexpected way passes every check."""
    source = planted.make(tmp_path)
    checks = planted.checks(RUBRIC)
    if not planted.patch.exists() and code_of(source, tmp_path / "taken") == code_of(REFERENCE, tmp_path / "solution"):
        # Packed in another way: what looks at the files, and whether the code, which is the solution's, is found.
        checks = independent(check for check in checks if check.startswith("handin.") or check in IMPORTS)
    with unshrunk(FEW_EXAMPLES):
        problems = planted.surprises(bench.grade(source, checks).outcomes, RUBRIC)
    assert not problems, problems


def code_of(source: Path, tree: Path) -> dict[str, str]:
    """What Python makes of each file that the handout names, after a hand-in was taken in."""
    submission = take_in(source, tree)
    named = {path.relative_to(REFERENCE).as_posix() for path in REFERENCE.rglob("*.py")}
    return {
        file: ast.dump(ast.parse((tree / file).read_bytes()))
        for file in submission.files
        if file in named or file.endswith("__init__.py")
    }


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


def test_every_mistake_says_what_it_does():
    """Each one completes "This is what comes out when ..." in a few words, without code that could be pasted."""
    problems = [f"{planted.name}: {problem}" for planted in WRONG for problem in problems_of(planted.what)]
    assert not problems, problems


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("", "says nothing"),
        ("FN is left out", "begins with a capital"),
        ("the loss is a sum.", "has a full stop"),
        ("the loss is a sum\nof losses", "is no single line"),
        ("`labels - 1` comes twice", "has code that is more than a name"),
        ("labels are " + "very, " * 20 + "wrong", "is too long"),
    ],
)
def test_bad_words_for_a_mistake_are_noticed(what, problem):
    """Words that a student could not read as the end of a sentence are found."""
    assert problems_of(what) == [problem]


def problems_of(what: str) -> list[str]:
    """What is wrong with the words for a mistake."""
    found = {
        "says nothing": not what.strip(),
        "begins with a capital": what[:1].isupper(),
        "has a full stop": what.endswith(".") or ". " in what,
        "is no single line": what != " ".join(what.split()),
        "has code that is more than a name": not all(map(is_name, re.findall(r"`([^`]*)`?", what))),
        "is too long": len(what) > LONGEST,
    }
    return [problem for problem, wrong in found.items() if wrong]


def is_name(code: str) -> bool:
    """Whether code in backquotes is a name and no more."""
    return re.fullmatch(r"(self\.)?\w+", code) is not None


def test_mistakes_are_told_apart_by_their_words():
    """No two mistakes that fail the same checks are called the same, unless nothing could tell them apart."""
    same = [
        {one.name, other.name}
        for one, other in combinations(WRONG, 2)
        if one.fails == other.fails and one.what == other.what
    ]
    assert not [pair for pair in same if not any(pair <= alike for alike in SAME_BY_NATURE)]


def test_contributing_shows_an_entry():
    """The line that CONTRIBUTING shows for a planted mistake is one that could stand in the list, and does."""
    text = (FOLDER.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    ((name, entry),) = tomllib.loads(shown).items()
    (planted,) = [planted for planted in WRONG if planted.name == name]
    assert (entry["what"], frozenset(entry["fails"])) == (planted.what, planted.fails)


def test_hints_are_whole_sentences():
    """The hint of a mistake stands by itself, as the hint of a check does."""
    hints = [planted.hint for planted in WRONG if planted.hint is not None]
    assert hints
    for hint in hints:
        assert hint[0].isupper()
        assert hint[-1] in ".?"
        assert len(hint) <= 120, hint


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
        apply_patch(tmp_path / "some.patch", tmp_path)
