"""The pytest plugin: however a check ends, it becomes exactly one outcome, and it is clear whose fault it was."""

from pathlib import Path
from textwrap import dedent

import pytest

from grader.errors import GraderFault
from grader.records import Finding, Isolation, Outcome, Status, Submission
from grader.rubric import Check, Part, Rubric
from grader.sandbox import Limits, Worker
from grader.suite.evidence import Evidence, conclude
from grader.suite.plugin import GraderPlugin
from grader.suite.pytest_run import run_checks

HEADER = """
import numpy as np
from hypothesis import given, strategies as st
from grader.checking import *
from grader.errors import GraderFault
from grader.records import Finding
from grader.sandbox import WorkerLost
"""
SUBMISSION = Submission(name="g", source="g.zip", digest="0", package="dlvc", files=())


def run(
    folder: Path,
    body: str,
    *,
    requires: dict[str, tuple[str, ...]] | None = None,
    follows: dict[str, tuple[str, ...]] | None = None,
    settled_by: dict[str, str] | None = None,
    names: str = "",
) -> dict[str, Outcome]:
    """Run a suite of one's own: what its tests, or `names`, which belong to the part `demo`, come to in the end."""
    suite = folder / "test_demo.py"
    suite.write_text(HEADER + dedent(body))
    found = names.split() or [line.strip()[9:].partition("(")[0] for line in body.split("\n") if "def test_" in line]
    checks = tuple(
        Check(
            id=f"demo.{name}",
            title=f"T {name}",
            points=1,
            hint="H",
            requires=(requires or {}).get(name, ()),
            follows=(follows or {}).get(name, ()),
            settled_by=(settled_by or {}).get(name),
        )
        for name in found
    )
    rubric = Rubric(parts=(Part(id="demo", title="Demo"),), checks=checks, tutor_items=())
    worker = Worker("nobody", folder, Isolation.NONE, Limits(check_seconds=2))
    seen: list[Outcome] = []
    shown = run_checks(GraderPlugin(rubric, SUBMISSION, worker, worker, 7, seen.append), folder)
    assert shown.finished
    assert {outcome.check for outcome in seen} == {check.id for check in checks}
    return conclude(rubric, shown)[0]


def only(outcomes: dict[str, Outcome]) -> Outcome:
    """The one outcome."""
    (outcome,) = outcomes.values()
    return outcome


def test_a_check_that_returns_has_passed(tmp_path: Path) -> None:
    """Returning is passing, with full score."""
    outcome = only(run(tmp_path, "def test_one(): pass"))
    assert (outcome.status, outcome.score) == (Status.PASSED, 1)


def test_a_failure_carries_what_it_found_and_the_rubrics_hint(tmp_path: Path) -> None:
    """`fail` gives message, expected and found; the hint comes from the rubric."""
    outcome = only(run(tmp_path, "def test_one(): fail('It is off.', expected='1', found='2')"))
    assert outcome.status is Status.FAILED
    assert outcome.finding.model_dump(exclude_none=True) == {
        "message": "It is off.",
        "expected": "1",
        "found": "2",
        "hint": "H",
    }


def test_partial_credit_is_a_share(tmp_path: Path) -> None:
    """A failure may keep a share of the points."""
    body = "def test_one(): raise CheckFailed(Finding(message='Half.'), score=0.5)"
    assert only(run(tmp_path, body)).score == 0.5


@pytest.mark.parametrize(
    "bug", ["1 / 0", "assert False", "raise SystemExit", "pytest.skip('later')", "raise GraderFault('ours')"]
)
def test_a_bug_in_a_check_is_the_graders_fault(tmp_path: Path, bug: str) -> None:
    """Whatever a check raises by mistake, and a skip, is unscored as our own fault; the other checks are judged."""
    outcomes = run(tmp_path, f"import pytest\ndef test_one(): {bug}\ndef test_two(): pass")
    assert outcomes["demo.one"].status is Status.UNSCORED
    assert outcomes["demo.one"].fault
    assert "grader's own fault" in outcomes["demo.one"].finding.message
    assert outcomes["demo.two"].status is Status.PASSED


def test_what_cannot_be_judged_is_unscored_without_fault(tmp_path: Path) -> None:
    """`NotScored` leaves the points open, with its reason."""
    outcome = only(run(tmp_path, "def test_one(): raise NotScored('Needs a GPU.')"))
    assert (outcome.status, outcome.fault, outcome.finding.message) == (Status.UNSCORED, False, "Needs a GPU.")


def test_a_lost_worker_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    """No answer is never a pass."""
    outcome = only(run(tmp_path, "def test_one(): raise WorkerLost('time', 'No answer within 3 s.')"))
    assert (outcome.status, outcome.finding.message) == (Status.FAILED, "No answer within 3 s.")


def test_a_prerequisite_that_failed_leaves_the_check_unscored(tmp_path: Path) -> None:
    """A check that could only repeat a failure costs nothing by itself, and names what it waits for."""
    outcomes = run(tmp_path, "def test_a(): fail('no')\ndef test_b(): pass", requires={"b": ("demo.a",)})
    assert outcomes["demo.b"].status is Status.UNSCORED
    assert "T a" in outcomes["demo.b"].finding.message


def test_a_prerequisite_that_is_not_written_makes_the_check_not_written(tmp_path: Path) -> None:
    """What waits for an open task is itself not started."""
    body = """
    def test_a(): raise CheckFailed(Finding(message='Not written yet.'), not_started=True)
    def test_b(): pass
    """
    outcomes = run(tmp_path, body, requires={"b": ("demo.a",)})
    assert outcomes["demo.b"].status is Status.FAILED
    assert outcomes["demo.b"].not_started


def test_a_failure_that_may_follow_from_another_is_left_open(tmp_path: Path) -> None:
    """Beside a failure in a part that it follows, a failure costs nothing, and keeps what it found."""
    body = "def test_a(): fail('no')\ndef test_b(): fail('crash', found='x')\ndef test_c(): pass"
    outcomes = run(tmp_path, body, follows={"b": ("demo",), "c": ("demo",)})
    finding = outcomes["demo.b"].finding
    assert [outcome.status for outcome in outcomes.values()] == [
        Status.FAILED,
        Status.UNSCORED,
        Status.PASSED,
    ]
    assert "T a" in finding.message
    assert finding.message.endswith("crash")
    assert finding.found == "x"


@pytest.mark.parametrize(
    "body",
    [
        "def test_a(): pass\ndef test_b(): fail('crash')",
        "def test_a(): raise CheckFailed(Finding(message='Not written yet.'), not_started=True)\n"
        "def test_b(): fail('crash')",
        "def test_a(): fail('no')\ndef test_b(): raise CheckFailed(Finding(message='Not there.'), own=True)",
    ],
    ids=["nothing else failed", "the other is not written", "its own for certain"],
)
def test_a_failure_that_follows_from_nothing_counts(body: str, tmp_path: Path) -> None:
    """A failure is only left open where another one can be its cause."""
    assert run(tmp_path, body, follows={"b": ("demo",)})["demo.b"].status is Status.FAILED


def concluded(*checks: Check, **findings: Finding | None) -> dict[str, Outcome]:
    """What follows from checks that failed with these findings, passed with None, or are left out."""
    parts = {check.part: Part(id=check.part, title=check.part) for check in checks}
    rubric = Rubric(parts=tuple(parts.values()), checks=checks, tutor_items=())
    evidence = Evidence()
    for check in checks:
        found = findings[check.id.replace(".", "_")]
        status = Status.PASSED if found is None else Status.FAILED
        finding = found or Finding(message="fine")
        evidence.outcomes[check.id] = Outcome(
            check=check.id, status=status, score=float(found is None), finding=finding
        )
    return conclude(rubric, evidence)[0]


def a_check(name: str, **more: object) -> Check:
    """A check of a rubric."""
    return Check.model_validate({"id": name, "title": f"T {name}", "points": 1, "hint": "h"} | more)


def raised(place: str, kind: str = "TypeError") -> Finding:
    """An exception at a place."""
    return Finding(message=f"{kind} in {place}: oh no", where=place, traceback="...")


def test_an_exception_follows_from_the_part_whose_file_raised_it() -> None:
    """From a failure in that very line if there is one, whatever else failed before, and whatever the rubric names."""
    checks = (
        a_check("trainer.a"),
        a_check("metrics.b"),
        a_check("metrics.c"),
        a_check("fcn.runs", follows=("trainer",)),
    )
    outcomes = concluded(
        *checks,
        trainer_a=raised("dlvc/trainer.py:5"),
        metrics_b=raised("dlvc/metrics.py:7"),
        metrics_c=raised("dlvc/metrics.py:9"),
        fcn_runs=raised("dlvc/metrics.py:9"),
    )
    assert outcomes["fcn.runs"].status is Status.UNSCORED
    assert "T metrics.c" in outcomes["fcn.runs"].finding.message


def test_an_exception_of_the_script_itself_follows_from_its_like_alone() -> None:
    """A call of what is not there is the script's fault; one that a trainer's own check fails with is the trainer's."""
    checks = (a_check("trainer.a"), a_check("fcn.runs", follows=("trainer",)))
    script = raised("train.py:9", "AttributeError")
    other = concluded(*checks, trainer_a=Finding(message="Wrong loss."), fcn_runs=script)
    assert other["fcn.runs"].status is Status.FAILED
    alike = concluded(*checks, trainer_a=raised("train.py:3", "AttributeError"), fcn_runs=script)
    assert alike["fcn.runs"].status is Status.UNSCORED


def test_what_a_check_cannot_tell_another_may_show(tmp_path: Path) -> None:
    """An open check passes where the one that settles it has passed; never against a failure."""
    body = "def test_a(): raise NotScored('who knows')\ndef test_b(): pass"
    assert run(tmp_path, body, settled_by={"a": "demo.b"})["demo.a"].status is Status.PASSED
    body = "def test_a(): fail('wrong')\ndef test_b(): pass"
    assert run(tmp_path, body, settled_by={"a": "demo.b"})["demo.a"].status is Status.FAILED


def test_hypothesis_gives_the_smallest_failure(tmp_path: Path) -> None:
    """The finding is that of the smallest failing example."""
    body = """
    @given(n=st.integers(0, 1000))
    def test_one(n):
        if n >= 17: fail('Too large.', found=str(n))
    """
    assert only(run(tmp_path, body)).finding.found == "17"


def test_shrinking_ends_before_the_checks_time_does(tmp_path: Path) -> None:
    """A slow failure is reported as it is, not as a time-out."""
    body = """
    import time
    @given(n=st.integers(0, 1000))
    def test_one(n):
        time.sleep(0.1)
        fail('Too large.', found=str(n))
    """
    assert only(run(tmp_path, body)).finding.message == "Too large."


def test_results_that_change_are_a_failure_of_the_submission(tmp_path: Path) -> None:
    """If the smallest example fails only sometimes, that is what the student is told."""
    body = """
    calls = []
    @given(n=st.integers(0, 5))
    def test_one(n):
        calls.append(n)
        if len(calls) == 3: fail('Once.')
    """
    outcome = only(run(tmp_path, body))
    assert outcome.status is Status.FAILED
    assert "different results" in outcome.finding.message


def test_each_run_draws_by_its_seed(tmp_path: Path) -> None:
    """The random numbers of a check depend on the seed and the check alone, so a run can be repeated."""
    body = """
    def test_a(rng): fail('x', found=str(rng.random()))
    def test_b(rng): fail('x', found=str(rng.random()))
    @given(n=st.integers(0, 10**9))
    def test_c(n): fail('x', found='-')
    """
    first, second = run(tmp_path, body), run(tmp_path, body)
    assert first == second
    assert first["demo.a"].finding.found != first["demo.b"].finding.found


@pytest.mark.parametrize("names", ["one two", "other", "one one_more"])
def test_a_rubric_that_does_not_fit_its_suites_is_the_graders_fault(tmp_path: Path, names: str) -> None:
    """A check without a test, or a test without a check, stops the run."""
    with pytest.raises(GraderFault, match="checks and rubric differ"):
        run(tmp_path, "def test_one(): pass", names=names)


def test_a_suite_that_cannot_be_read_is_the_graders_fault(tmp_path: Path) -> None:
    """A syntax error in a suite stops the run, naming the file."""
    with pytest.raises(GraderFault, match=r"test_demo\.py"):
        run(tmp_path, "def test_one(: pass", names="one")


def test_the_users_pytest_options_do_not_reach_the_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shell sets for other tests can neither deselect a check nor load a plugin."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    assert only(run(tmp_path, "def test_one(): pass")).status is Status.PASSED


def test_the_worker_is_not_told_what_inputs_are_drawn_from(tmp_path: Path) -> None:
    """The seed that a worker gets is another one, for each check, than that of the inputs; both are repeatable."""
    worker, rubric = Worker("nobody", tmp_path, Isolation.NONE, Limits()), Rubric(parts=(), checks=(), tutor_items=())
    one, again = (GraderPlugin(rubric, SUBMISSION, worker, worker, 7, lambda _: None) for _ in range(2))
    seeds = [one.seed_for(f"demo.{name}", purpose) for name in ("one", "two") for purpose in ("inputs", "torch")]
    assert len(set(seeds)) == 4
    assert again.seed_for("demo.one", "inputs") == seeds[0]
    body = """
        def test_one(student, rng):
            assert student._seed == {torch}
            assert rng.random() == np.random.default_rng({inputs}).random()
    """
    assert only(run(tmp_path, body.format(torch=seeds[1], inputs=seeds[0]))).status is Status.PASSED
