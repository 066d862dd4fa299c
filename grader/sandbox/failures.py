"""What a call can end with instead of an answer."""

from typing import Literal

from pydantic import Field

from grader.records import Record


class CallError(Record):
    """What went wrong inside a probe call, as the worker tells it; every word of it is the submission's."""

    type: str
    bases: tuple[str, ...]
    message: str
    traceback: str
    where: str | None
    wrong_answer: bool
    open_task: bool
    errno: int | None
    missing_module: str | None
    lacks: Literal["network", "shared memory"] | None
    python: str | None = Field(None, pattern=r"^3\.\d{1,2}$")


class CallFailed(Exception):  # noqa: N818 - the submission's failure, not an error of ours
    """A probe call raised inside the worker."""

    def __init__(self, error: CallError) -> None:
        super().__init__(f"{error.type}: {error.message}")
        self.error = error


class WorkerLost(BaseException):
    """The worker gave no answer: it hung, died, spoke garbage or went over a limit.

    A `BaseException`, since nothing that runs between the call and the plugin may take it for an answer: Hypothesis
    would otherwise try to shrink the example that killed the worker.

    Args:
        kind: `time`, `memory`, `processes`, `disk`, `signal`, `exit`, `garbage`.
        message: what happened, naming the limit and its value.
        hung: one call took all the time that a call may take.
    """

    def __init__(self, kind: str, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hung = hung
