"""How a check ended, by what it raised."""

from hypothesis.errors import Flaky

from grader.checking import CheckFailed, NotScored, Subject
from grader.records import Finding, Outcome, Status
from grader.rubric import Check
from grader.sandbox import WorkerLost


class Enough(BaseException):
    """Half of the check's time is gone and a failure is known: no smaller example is looked for."""

    def __init__(self, failure: CheckFailed) -> None:
        super().__init__()
        self.failure = failure


def outcome_of(check: Check, error: BaseException | None, subject: Subject | None) -> Outcome:
    """Judge how a check ended by what it raised."""
    if isinstance(error, Enough):
        error = error.failure
    if error is None:
        finding = Finding(message=(subject.remark if subject else None) or "As it should be.")
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
