"""The pytest plugin that turns the suites of `tests/checks/` into outcomes, one for each check of the rubric."""

import functools
import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase

from grader.checking import CheckFailed, NotScored, Subject, TrustedSubject
from grader.checking.experiments import Experiments, Way
from grader.records import Edition, Finding, Outcome, SmokeTraining, Status, Submission
from grader.rubric import Check, Rubric
from grader.sandbox import Worker, WorkerLost
from grader.suite.evidence import Evidence
from grader.suite.outcomes import Enough, fault, outcome_of

SHRINK_SHARE = 0.5
# Of the time of a call, where an earlier check of the part had no answer in all of it: a loop without end is waited for
# once, and what needs less is judged all the same.
HUNG_SHARE = 0.25
# Of answers in failed checks, which may name their mistakes; as Python's objects they take up to 20 times as much.
KEPT_IN_ALL = 64 << 20
SETTINGS = hypothesis.settings(
    database=None,
    deadline=None,
    max_examples=60,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    print_blob=False,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class Earlier(NamedTuple):
    """What checks have shown that were run before.

    Args:
        outcomes: of those that others may require.
        ways: how scripts without an interface train.
    """

    outcomes: tuple[tuple[Check, Outcome], ...] = ()
    ways: Mapping[str, Way] = MappingProxyType({})


class GraderPlugin:
    """Runs checks on a submission; `evidence` collects what they show.

    Args:
        rubric: the checks that must be found.
        submission: what intake says of the hand-in.
        student: the worker that imports the submission.
        reference: the worker that imports the solution.
        seed: everything random in the checks is drawn from it.
        on_outcome: told of every outcome as it comes.
        answers: what the reference has answered to equal calls before; shared by runs with the same reference.
        earlier: what other checks have shown before.
    """

    def __init__(
        self,
        rubric: Rubric,
        submission: Submission,
        student: Worker,
        reference: Worker,
        seed: int,
        on_outcome: Callable[[Outcome], None],
        answers: dict[bytes, Any] | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        self.evidence = Evidence()
        self._kept_bytes = 0
        self._asking_more = False
        self._hung: set[str] = set()
        self.suites = sorted({f"test_{check.part}.py" for check in rubric.checks})
        self._checks = {check.id: check for check in rubric.checks}
        self._not_asked = rubric.not_asked
        earlier = earlier or Earlier()
        self._known = {check.id: (check, outcome) for check, outcome in earlier.outcomes}
        self._submission = submission
        self._experiments = Experiments(submission.files, submission.runs, dict(earlier.ways))
        self._student = student
        self._reference = reference
        self._seed = seed
        self._on_outcome = on_outcome
        self._answers = {} if answers is None else answers
        self.problem: str | None = None

    def seed_for(self, check_id: str, purpose: Literal["inputs", "torch"]) -> int:
        """A seed of each check's own, so that leaving a check out changes no other.

        The worker is told the one for torch. A hash that cannot be inverted keeps it from finding out the other one,
        from which the trusted side draws inputs, and pictures whose labels it keeps.
        """
        digest = hashlib.sha256(f"{self._seed}:{check_id}:{purpose}".encode()).digest()
        return int.from_bytes(digest[:8]) >> 1

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """The submission, in a fresh process."""
        any_device = self._submission.edition == "original"
        subject = Subject(self._student, self.seed_for(check_id(request.node), "torch"), any_device=any_device)
        if self._part(request.node) in self._hung:
            shorter = {"call_seconds": HUNG_SHARE * subject.limits.call_seconds}
            subject.limits = subject.limits.model_copy(update=shorter)
        request.node.stash[STUDENT] = subject
        yield subject
        subject.close()

    @pytest.fixture
    def reference(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """The solution, in a fresh process of the same kind."""
        subject = TrustedSubject(self._reference, self.seed_for(check_id(request.node), "torch"), self._answers)
        yield subject
        subject.close()

    @pytest.fixture
    def fresh_reference(self, request: pytest.FixtureRequest) -> Iterator[TrustedSubject]:
        """The solution, in a fresh process that answers even what it has answered before."""
        subject = TrustedSubject(self._reference, self.seed_for(check_id(request.node), "torch"), {})
        yield subject
        subject.close()

    @pytest.fixture
    def evaluator(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """A fresh process of the solution's worker for what a submission wrote, whose faults are the submission's."""
        subject = Subject(self._reference, self.seed_for(check_id(request.node), "torch"))
        yield subject
        subject.close()

    @pytest.fixture
    def trainings(self) -> list[SmokeTraining]:
        """Where checks leave the smoke trainings that they have judged, for the reports."""
        return self.evidence.trainings

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> np.random.Generator:
        """Random numbers of this check's own."""
        return np.random.default_rng(self.seed_for(check_id(request.node), "inputs"))

    @pytest.fixture
    def experiments(self, student: Subject, rng: np.random.Generator) -> Callable[[], Experiments]:
        """The trainings of scripts without an interface; whoever asks first has them run."""

        def find() -> Experiments:
            self._experiments.search(student, rng)
            self.evidence.script_runs = self._experiments.runs
            self.evidence.ways = self._experiments.ways
            return self._experiments

        return find

    @pytest.fixture
    def edition(self) -> Edition:
        """The edition of the handout that the hand-in answers."""
        return self._submission.edition

    @pytest.fixture
    def submission(self) -> Submission:
        """What intake says of the hand-in."""
        return self._submission

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what kept a suite from being read."""
        if report.failed:
            self.problem = f"{report.nodeid} cannot be read: {report.longreprtext}"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Match tests and rubric one to one, and put them into the rubric's order; run nothing if they differ.

        Tests of checks that the edition of the hand-in does not ask are left out.
        """
        items[:] = [item for item in items if check_id(item) not in self._not_asked]
        found = {check_id(item): item for item in items}
        if self.problem is None and (found.keys() != self._checks.keys() or len(found) != len(items)):
            missing, unknown = self._checks.keys() - found.keys(), found.keys() - self._checks.keys()
            self.problem = f"checks and rubric differ: missing {sorted(missing)}, unknown {sorted(unknown)}"
        items[:] = [] if self.problem else [found[name] for name in self._checks]
        for item in items:
            self._prepare(item)

    def _prepare(self, item: pytest.Item) -> None:
        """Seed a Hypothesis test and have it stop in time; leave others as they are.

        A failure is told by its finding: pytest's own rendering of the traceback would take longer than most checks.
        """
        setattr(item, "repr_failure", _in_words)  # noqa: B010 - pytest's types know no such item
        test: Any = getattr(item, "obj", None)
        if not hypothesis.is_hypothesis_test(test):
            return
        hypothesis.seed(self.seed_for(check_id(item), "inputs"))(test)
        SETTINGS(test)
        handle = test.hypothesis
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
                if self._asking_more:
                    return
                if time.monotonic() - started[0] > budget:
                    raise Enough(failure) from None
                raise

        return body

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave a check out whose prerequisites have not passed."""
        for name in self._checks[check_id(item)].requires:
            if name not in self._known:
                continue  # a user has left it out
            check, outcome = self._known[name]
            if outcome.not_started:
                raise CheckFailed(Finding(message=f"Not written yet: it needs “{check.title}”."), not_started=True)
            if outcome.status is not Status.PASSED:
                raise NotScored(f"Can only be judged once “{check.title}” has passed.")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """After a failure ask about larger examples too: the smallest one, good to read, hides which mistake it is."""
        try:
            return (yield)
        except CheckFailed as failure:
            if not failure.not_started:
                self._ask_more(item)
            raise
        except WorkerLost as lost:
            if lost.hung and self._part(item) in self._hung:
                lost.message += " It had less time, since an earlier check of this part got no answer in all of it."
            self._hung |= {self._part(item)} if lost.hung else set()
            raise

    @staticmethod
    def _part(item: pytest.Item) -> str:
        return check_id(item).partition(".")[0]

    def _ask_more(self, item: pytest.Item) -> None:
        """Run a Hypothesis test again through all of its examples, whatever comes of it."""
        test: Any = getattr(item, "obj", None)
        if not isinstance(item, pytest.Function) or not hypothesis.is_hypothesis_test(test):
            return
        self._asking_more = True
        try:
            test(**{name: item.funcargs[name] for name in inspect.signature(test).parameters})
        except (Exception, WorkerLost):  # noqa: BLE001 - the verdict is there already
            return
        finally:
            self._asking_more = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Record the outcome when the body has run, or when the set-up kept it from running."""
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        name = check_id(item)
        if call.when == "call" or (call.when == "setup" and error is not None):
            self.evidence.seconds[name] = call.duration
            subject = item.stash.get(STUDENT, None)
            self._record(outcome_of(self._checks[name], error, subject))
            if isinstance(error, CheckFailed):
                self._keep_context(name, error)
            if subject is not None:
                self._keep_said(name, subject)
        elif call.when == "teardown" and error is not None:
            self._record(fault(name, error))
        return report

    def _keep_context(self, name: str, failure: CheckFailed) -> None:
        if failure.own:
            self.evidence.own.add(name)
        if failure.contradiction:
            self.evidence.contradictions[name] = failure.contradiction

    def _keep_said(self, name: str, subject: Subject) -> None:
        self.evidence.alarms[name] = set(subject.alarms)
        if self.evidence.outcomes[name].status is Status.FAILED:
            self._kept_bytes += subject.received
            if self._kept_bytes <= KEPT_IN_ALL:
                self.evidence.calls[name] = subject.calls

    def _record(self, outcome: Outcome) -> None:
        self.evidence.outcomes[outcome.check] = outcome
        self._known[outcome.check] = self._checks[outcome.check], outcome
        self._on_outcome(outcome)


STUDENT = pytest.StashKey[Subject]()


def _in_words(error: pytest.ExceptionInfo[BaseException]) -> str:
    return str(error.value)


def check_id(item: pytest.Item) -> str:
    """`tests/checks/test_metrics.py::test_absent_classes` is the check `metrics.absent_classes`."""
    return f"{item.path.stem.removeprefix('test_')}.{item.name.removeprefix('test_')}"
