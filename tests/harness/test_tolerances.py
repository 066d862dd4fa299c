"""Tolerances: each one is measured, wider than correct answers need and narrower than any planted mistake."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from grader.checking import CheckFailed, expect_close, nearest, share_used
from grader.checking.tolerances import FACTOR, LEAST, Margins, Tolerance, load_tolerances, tolerance
from grader.errors import GraderFault
from tests.submissions.planted import FOLDER, wrong_submissions
from tests.verdicts.tolerances import Case, watched

ROOT = Path(__file__).parents[2]
USED = re.compile(r'tolerance\(\s*"(?P<name>[^"]+)",\s*"(?P<unit>\w+)"(?P<rest>.*?)\n?\)\n', re.DOTALL)
RULE = re.compile(r"rule=(?P<value>[0-9.e-]+)")
# Below a mistake by this much, since another seed or machine moves a mistake's deviation, too.
BELOW_MISTAKES = 5.0


def used() -> dict[str, tuple[str, float | None]]:
    """Every tolerance that checks use: its unit, and the rule that it is set by, None where it is measured."""
    found = {}
    for path in [*(ROOT / "tests" / "checks").glob("*.py"), *(ROOT / "grader").rglob("*.py")]:
        for match in USED.finditer(path.read_text(encoding="utf-8")):
            rule = RULE.search(match["rest"])
            found[match["name"]] = (match["unit"], float(rule["value"]) if rule else None)
    return found


def test_every_tolerance_of_a_check_is_in_the_data():
    """What checks use and what was measured are the same, in the same units, by the same rules, and none is a guess."""
    measured = load_tolerances()
    assert used() == {name: (one.unit, one.rule) for name, one in measured.items()}
    assert all(one.reason for one in measured.values())
    assert not any("guess" in one.spread for one in measured.values())


def test_checks_make_no_tolerance_of_their_own():
    """A check takes tolerances from the data: none is made in place; naming judges nothing."""
    made = [
        path.name
        for path in [*(ROOT / "tests" / "checks").glob("*.py"), *(ROOT / "grader").rglob("*.py")]
        if path.parent.name != "naming"
        if re.search(r"\bTolerance\(\d", path.read_text(encoding="utf-8")) or "isclose(" in path.read_text("utf-8")
    ]
    assert made == []


@pytest.mark.parametrize("name", sorted(load_tolerances()))
def test_a_tolerance_keeps_clear_of_both_sides(name):
    """It is `FACTOR` times what correct answers need, or a rule's that they keep, and well below every mistake."""
    margins = load_tolerances()[name]
    assert margins.value >= (margins.largest if margins.rule is not None else FACTOR * margins.largest)
    if margins.mistake is not None:
        assert margins.value * BELOW_MISTAKES <= margins.mistake.deviation
    else:
        assert margins.rule is not None, "what rounding decides has to be narrower than a planted mistake"


def test_measurements_come_from_all_sources():
    """Seeds, threads, the oldest torch that is supported and the corpus of right solutions were measured."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = next(one.partition(">=")[2] for one in project["dependencies"] if one.startswith("torch>="))
    for name, margins in load_tolerances().items():
        if name == "smoke.history":  # trainings of a minute are no part of it
            continue
        sources = set(margins.spread)
        assert {"seeds", "2 threads", "4 threads", "right"} <= sources, name
        assert any(source.startswith(f"torch {oldest}") for source in sources), name


def test_mistakes_and_solutions_in_the_data_exist():
    """What the data name is planted, and is to fail the check that it is said to fail."""
    planted = {one.name: one.fails for one in wrong_submissions()}
    for margins in load_tolerances().values():
        if margins.mistake is not None:
            assert margins.mistake.check in planted[margins.mistake.name]
        if margins.widest is not None:
            assert (FOLDER / "right" / f"{margins.widest}.patch").exists()


def test_a_tolerance_is_the_factor_times_the_widest_spread():
    """The source with the largest deviation counts, and no less than what a sum in another order may be off by."""
    assert Margins(unit="relative", spread={"a": 1e-5, "b": 2e-5}, widest=None, mistake=None).derived == FACTOR * 2e-5
    assert Margins(unit="relative", spread={"a": 0.0}, widest=None, mistake=None).derived == FACTOR * LEAST


@pytest.mark.parametrize(("name", "unit"), [("no.such", "absolute"), ("segformer.forward", "absolute")])
def test_what_was_not_measured_is_the_graders_fault(name, unit):
    """A tolerance without measurements, or with those of another unit, stops the grading."""
    with pytest.raises(GraderFault, match="was not measured"):
        tolerance(name, unit, "-")


RELATIVE, EXACT = Tolerance(0, 0.1, "-"), Tolerance(0, 0, "-")


@pytest.mark.parametrize(
    ("found", "expected", "largest", "share"),
    [
        ([1.0, 10.5], [1.0, 10.0], None, 0.5),
        ([1.0, 10.5], [1.0, 10.0], 50.0, 0.1),
        ([np.nan, 1.0], [1.0, 1.0], None, np.inf),
        ([np.inf], [1.0], None, np.inf),
        ([np.inf], [np.inf], None, np.inf),
        ([1.0], [1.0, 1.0], None, np.inf),
        ([0.0], [0.0], None, 0.0),
        ([1e-9], [0.0], None, np.inf),
        ([], [], None, 0.0),
        ([255], [0], 2550.0, 1.0),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_share_of_a_tolerance(found, expected, largest, share):
    """The largest gap over what is allowed; infinite where shapes differ, or something is not finite."""
    assert share_used(np.array(found), np.array(expected), RELATIVE, largest) == pytest.approx(share)


def test_unsigned_numbers_do_not_wrap_around():
    """The gap between two unsigned numbers is that between their values."""
    assert share_used(np.array([0], np.uint8), np.array([255], np.uint8), Tolerance(510, 0, "-")) == 0.5


def test_nearest_takes_the_first_right_answer_and_asks_for_no_other():
    """Candidates are made one after another, as each may cost a question to the solution."""
    asked = []

    def candidates():
        for number in (5.0, 1.0, 2.0):
            asked.append(number)
            yield np.array([number])

    assert nearest(np.array([1.01]), candidates(), RELATIVE) == 1
    assert asked == [5.0, 1.0]
    assert nearest(np.array([3.0]), candidates(), RELATIVE) is None


def test_exactly_equal_is_within_a_tolerance_of_nothing():
    """Where nothing is allowed, equal values pass and others fail."""
    expect_close([1, 2], [1, 2], EXACT, "-")
    with pytest.raises(CheckFailed) as failure:
        expect_close([1, 2], [1, 3], EXACT, "Other numbers.")
    assert failure.value.finding.found == "2 at index (1,); 1 of 2 values are off by more than 0"


def test_deviations_are_noted_by_tolerance_and_check(bench):
    """A comparison's deviation is seen as it is, for a mistake and for the solution; so are the failed checks."""
    (planted,) = [one for one in wrong_submissions() if one.name == "percent"]
    checks = frozenset({"metrics.worked_example", "metrics.nothing_seen"})
    seen = watched(bench, Case("mistakes", planted, 0, checks))
    found = {one.check: (one.tolerance, one.unit, one.value) for one in seen.deviations}
    example = (6 / 10 + 4 / 6 + 1 / 5) / 3
    assert found["metrics.worked_example"] == ("metrics.value", "absolute", pytest.approx(99 * example))
    assert found["metrics.nothing_seen"] == ("metrics.value", "absolute", 0.0)
    assert seen.failed == ["metrics.worked_example"]


@pytest.fixture(scope="module")
def bench():
    """Both workers."""
    from tests.harness.bench import open_bench

    with open_bench() as opened:
        yield opened
