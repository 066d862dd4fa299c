"""Rubric and points: they add up, whatever the outcomes are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from grader.errors import GraderFault, UsageError
from grader.files import CHECKS
from grader.records import Finding, Outcome, Status
from grader.rubric import Check, Part, Rubric, load_rubric
from grader.scoring import score, total

RUBRIC = load_rubric()
ENDS = st.one_of(
    st.just((Status.PASSED, 1.0)),
    st.just((Status.UNSCORED, 0.0)),
    st.tuples(st.just(Status.FAILED), st.floats(0, 0.99)),
)


def outcomes(ends: list[tuple[Status, float]]) -> dict[str, Outcome]:
    """An outcome for each check of the rubric."""
    return {
        check.id: Outcome(check=check.id, status=status, score=share, finding=Finding(message="m"))
        for check, (status, share) in zip(RUBRIC.checks, ends, strict=True)
    }


@given(ends=st.lists(ENDS, min_size=len(RUBRIC.checks), max_size=len(RUBRIC.checks)))
def test_every_point_is_earned_lost_or_open(ends: list[tuple[Status, float]]) -> None:
    """Items, parts and the total add up to what the rubric is worth; unscored points are open, neither won nor lost."""
    items, parts = score(RUBRIC, outcomes(ends))
    worth = sum(check.points for check in RUBRIC.checks)
    assert total(items).possible == pytest.approx(worth)
    assert sum(part.points.possible for part in parts) == pytest.approx(worth)
    for item, (status, share), check in zip(items, ends, RUBRIC.checks, strict=True):
        assert item.points.earned == pytest.approx(share * check.points)
        assert item.points.open == (check.points if status is Status.UNSCORED else 0)


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_outcomes_that_do_not_fit_the_rubric_are_the_graders_fault(change: str) -> None:
    """One outcome too few or too many is never scored over."""
    given_ = outcomes([(Status.PASSED, 1.0)] * len(RUBRIC.checks))
    outcome = given_.pop(RUBRIC.checks[0].id)
    if change == "unknown":
        given_["no.such_check"] = outcome
    with pytest.raises(GraderFault, match=change):
        score(RUBRIC, given_)


@pytest.mark.parametrize(("status", "share"), [(Status.PASSED, 0.5), (Status.FAILED, 1), (Status.UNSCORED, 0.2)])
def test_a_score_has_to_fit_its_status(status: Status, share: float) -> None:
    """Passed means all points, failed less than all, unscored none."""
    with pytest.raises(ValidationError):
        Outcome(check="a.b", status=status, score=share, finding=Finding(message="m"))


def check(name: str, *requires: str) -> Check:
    """A check worth one point."""
    return Check(id=name, title="t", points=1, hint="h", requires=requires)


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ([check("other.a")], "no part 'other'"),
        ([check("p.a"), check("p.a")], "twice"),
        ([check("p.a", "p.b"), check("p.b")], "do not stand before it"),
    ],
)
def test_a_rubric_that_contradicts_itself_is_refused(checks: list[Check], says: str) -> None:
    """Unknown parts, double ids and prerequisites that come later are told."""
    with pytest.raises(ValidationError, match=says):
        Rubric(parts=(Part(id="p", title="P"),), checks=tuple(checks), tutor_items=())


@pytest.mark.parametrize("text", ["", "not [ toml", "[[part]]\nid = 3", "[[check]]\nid = 'a.b'"])
def test_a_rubric_file_that_cannot_be_used_is_the_graders_fault(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    (tmp_path / "rubric.toml").write_text(text)
    with pytest.raises(GraderFault, match=r"rubric\.toml"):
        load_rubric(tmp_path / "rubric.toml")


def test_every_check_has_a_title_a_hint_and_points() -> None:
    """A student can read what each check wants, and each is worth something, but for what few hosts can judge."""
    for one in RUBRIC.checks:
        assert one.points > 0 or one.id == "throughput.gpu"
        assert one.title
        assert one.hint.endswith((".", "?"))


def test_the_suites_are_those_of_the_rubric() -> None:
    """There is one suite for each part with automatic checks, so that none is left out without notice."""
    assert {suite.name for suite in CHECKS.glob("test_*.py")} == {f"test_{check.part}.py" for check in RUBRIC.checks}


def test_a_rubric_of_some_parts_keeps_their_checks_and_order() -> None:
    """`only` keeps what belongs to its parts, and refuses a part without checks by naming the choices."""
    some = RUBRIC.only(["handin", "metrics"])
    assert [check.id for check in some.checks] == [
        check.id for check in RUBRIC.checks if check.part in ("metrics", "handin")
    ]
    with pytest.raises(UsageError, match="metrics, trainer, fcn, segformer, pretraining, smoke, throughput, handin"):
        RUBRIC.only(["bonus"])


def test_a_check_requires_only_what_runs_before_it() -> None:
    """What runs beside the others cannot wait for them; what runs alone comes after all."""

    def rubric(runs: str) -> Rubric:
        parts = (Part(id="a", title="A"), Part(id="b", title="B", runs=runs))
        return Rubric(parts=parts, checks=(check("a.one"), check("b.two", "a.one")), tutor_items=())

    assert rubric("alone").running("alone").checks[0].id == "b.two"
    with pytest.raises(ValidationError, match="run at another time"):
        rubric("beside")
