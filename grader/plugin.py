"""The pytest plugin that turns the suites of `tests/checks/` into outcomes, one for each check of the rubric."""

import functools
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Flaky

from grader.checking import CheckFailed, NotScored, Subject
from grader.errors import GraderFault
from grader.records import Finding, Outcome, Status, Submission
from grader.rubric import Check, Rubric
from grader.sandbox import Worker, WorkerLost

PROFILE = "grader"
EXAMPLES = 60
SHRINK_SHARE = 0.5


class _Enough(BaseException):
    """Half of the check's time is gone and a failure is known: no smaller example is looked for."""

    def __init__(self, failure: CheckFailed) -> None:
        super().__init__()
        self.failure = failure


class GraderPlugin:
    """Runs the checks on a submission and collects `outcomes` and `seconds` by check id.

    Args:
        rubric: the checks that must be found.
        submission: what intake says of the hand-in.
        student: the worker that imports the submission.
        reference: the worker that imports the solution.
        seed: everything random in the checks is drawn from it.
        on_outcome: told of every outcome as it comes.
    """

    def __init__(
        self,
        rubric: Rubric,
        submission: Submission,
        student: Worker,
        reference: Worker,
        seed: int,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.seconds: dict[str, float] = {}
        self._checks = {check.id: check for check in rubric.checks}
        self._submission = submission
        self._student = student
        self._reference = reference
        self._seed = seed
        self._on_outcome = on_outcome

    def seed_for(self, check_id: str) -> int:
        """A seed of each check's own, so that leaving a check out changes no other."""
        return zlib.crc32(f"{self._seed}:{check_id}".encode())

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """The submission, in a fresh process."""
        subject = Subject(self._student, self.seed_for(check_id(request.node)), trusted=False)
        request.node.stash[STUDENT] = subject
        yield subject
        subject.close()

    @pytest.fixture
    def reference(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """The solution, in a fresh process of the same kind."""
        subject = Subject(self._reference, self.seed_for(check_id(request.node)), trusted=True)
        yield subject
        subject.close()

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> np.random.Generator:
        """Random numbers of this check's own."""
        return np.random.default_rng(self.seed_for(check_id(request.node)))

    @pytest.fixture
    def submission(self) -> Submission:
        """What intake says of the hand-in."""
        return self._submission

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Match tests and rubric one to one, and put them into the rubric's order."""
        found = {check_id(item): item for item in items}
        if found.keys() != self._checks.keys() or len(found) != len(items):
            missing, unknown = self._checks.keys() - found.keys(), found.keys() - self._checks.keys()
            raise GraderFault(f"Checks and rubric differ: missing {sorted(missing)}, unknown {sorted(unknown)}.")
        items[:] = [found[name] for name in self._checks]
        for item in items:
            self._prepare(item)

    def _prepare(self, item: pytest.Item) -> None:
        """Seed a Hypothesis test and have it stop in time; leave others as they are."""
        test = getattr(item, "obj", None)
        if not hypothesis.is_hypothesis_test(test):
            return
        hypothesis.seed(self.seed_for(check_id(item)))(test)
        handle = test.hypothesis  # type: ignore[union-attr]
        handle.inner_test = self._in_time(handle.inner_test)

    def _in_time(self, inner: Callable[..., None]) -> Callable[..., None]:
        """Wrap the body of a Hypothesis test so that shrinking ends before the check's time does."""
        budget = SHRINK_SHARE * self._student.limits.check_seconds
        started: list[float] = []

        @functools.wraps(inner)
        def body(*positional: Any, **named: Any) -> None:
            started.append(time.monotonic())
            try:
                inner(*positional, **named)
            except CheckFailed as failure:
                if time.monotonic() - started[0] > budget:
                    raise _Enough(failure) from None
                raise

        return body

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave a check out whose prerequisites have not passed."""
        for name in self._checks[check_id(item)].requires:
            outcome = self.outcomes[name]
            if outcome.status is not Status.PASSED:
                raise NotScored(f"Can only be judged once “{self._checks[name].title}” has passed.")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Record the outcome when the body has run, or when the set-up kept it from running."""
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        name = check_id(item)
        if call.when == "call" or (call.when == "setup" and error is not None):
            self.seconds[name] = call.duration
            self._record(outcome_of(self._checks[name], error, item.stash.get(STUDENT, None)))
        elif call.when == "teardown" and error is not None:
            self._record(fault(name, error))
        return report

    def _record(self, outcome: Outcome) -> None:
        self.outcomes[outcome.check] = outcome
        self._on_outcome(outcome)


STUDENT = pytest.StashKey[Subject]()


def check_id(item: pytest.Item) -> str:
    """`tests/checks/test_metrics.py::test_absent_classes` is the check `metrics.absent_classes`."""
    return f"{item.path.stem.removeprefix('test_')}.{item.name.removeprefix('test_')}"


def outcome_of(check: Check, error: BaseException | None, subject: Subject | None) -> Outcome:
    """Judge how a check ended by what it raised."""
    if isinstance(error, _Enough):
        error = error.failure
    if error is None:
        finding = Finding(message="As it should be.")
        return Outcome(check=check.id, status=Status.PASSED, score=1, finding=finding)
    if isinstance(error, NotScored):
        return Outcome(check=check.id, status=Status.UNSCORED, score=0, finding=Finding(message=str(error)))
    if isinstance(error, CheckFailed):
        finding, score, not_started = error.finding, error.score, error.not_started
    elif isinstance(error, WorkerLost):
        finding, score, not_started = Finding(message=error.message), 0.0, False
    elif isinstance(error, Flaky):
        message = "The same input gave different results when it was tried again."
        finding, score, not_started = Finding(message=message), 0.0, False
    else:
        return fault(check.id, error)
    extra = {"hint": finding.hint or check.hint, "log": (subject.log or None) if subject else None}
    return Outcome(
        check=check.id,
        status=Status.FAILED,
        score=score,
        finding=finding.model_copy(update=extra),
        not_started=not_started,
    )


def fault(name: str, error: BaseException) -> Outcome:
    """Unscored, by our own fault."""
    message = f"The grader's own fault, not the submission's: {type(error).__name__}: {error}"
    return Outcome(check=name, status=Status.UNSCORED, score=0, finding=Finding(message=message), fault=True)


def run_checks(plugin: GraderPlugin, folder: Path) -> bool:
    """Run the suites in `folder` under a plugin.

    Returns:
        Whether every check ran; False when the user interrupted it.

    Raises:
        GraderFault: pytest could not run them.
    """
    hypothesis.settings.register_profile(
        PROFILE,
        database=None,
        deadline=None,
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    hypothesis.settings.load_profile(PROFILE)
    options = ["--import-mode=importlib", "--noconftest", "--capture=no", "-c", "/dev/null", f"--rootdir={folder}"]
    without = ["-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler", "-p", "no:warnings"]
    code = pytest.main([str(folder), *options, *without], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise GraderFault(f"pytest ended with {pytest.ExitCode(code).name} and gave no verdicts.")
    return code != pytest.ExitCode.INTERRUPTED
