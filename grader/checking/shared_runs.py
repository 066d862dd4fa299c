"""What a submission is asked once for several checks: the first that wants an answer asks, the others judge it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from grader.checking import Call, CheckFailed, NotScored, Subject
from grader.sandbox import WorkerLost

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Got(Generic[Answer]):
    answer: Answer | None
    ending: BaseException | None
    calls: list[Call]
    log: str


class Shared(Generic[Answer]):
    """Answers by name, each with how it was come by; where there is none, the exception that told it.

    Whoever asks later finds in its `Subject` the calls and the log that belong to the answer, as if it had asked.
    """

    def __init__(self) -> None:
        self._got: dict[str, _Got[Answer]] = {}

    def __contains__(self, name: str) -> bool:
        """Whether somebody has asked before, whatever came of it."""
        return name in self._got

    def known(self, name: str) -> Answer | None:
        """The answer of this name if somebody has got it before."""
        return self._got[name].answer if name in self._got else None

    def get(self, name: str, student: Subject, ask: Callable[[], Answer]) -> Answer:
        """The answer of this name; `ask` has this check's `student` give it if no check has asked before.

        Raises:
            CheckFailed: as `ask`, whoever it was called for; and so the next two.
            NotScored: as above.
            WorkerLost: as above.
        """
        if name in self:
            student.take_over(self._got[name].calls, self._got[name].log)
        else:
            self._got[name] = self._ask(student, ask)
        got = self._got[name]
        if got.ending is not None:
            raise got.ending.with_traceback(None)
        return cast("Answer", got.answer)

    @staticmethod
    def _ask(student: Subject, ask: Callable[[], Answer]) -> _Got[Answer]:
        before, answer, ending = len(student.calls), None, None
        try:
            answer = ask()
        except (CheckFailed, NotScored, WorkerLost) as failure:
            ending = failure
        return _Got(answer, ending, student.calls[before:], student.log)
