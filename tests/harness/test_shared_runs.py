"""What is asked once for several checks: each of them ends as if it had asked itself."""

from types import SimpleNamespace

import pytest

from grader.checking import Call, CheckFailed, NotScored, Subject
from grader.checking.shared_runs import Shared
from grader.records import Finding
from grader.sandbox import Limits, WorkerLost

CALL = Call("trainer_run", 1, {}, {"events": []})


class Student(Subject):
    """A submission that answers one question, prints, and counts how often it is asked."""

    def __init__(self, printed: str = "") -> None:
        super().__init__(SimpleNamespace(limits=Limits()), seed=0)
        self._session = SimpleNamespace(log=printed)
        self.asked = 0

    def answer(self, ending: BaseException | None = None) -> int:
        """Say 7, or end as the test wants it."""
        self.asked += 1
        self.calls.append(CALL)
        if ending is not None:
            raise ending
        return 7


@pytest.fixture
def students():
    """The same submission in three checks, the first of which prints."""
    return Student("epoch 0\n"), Student(), Student("of its own\n")


def test_first_check_asks_for_all(students):
    """Later checks get the same answer, without asking."""
    shared = Shared()
    assert [shared.get("training", student, student.answer) for student in students] == [7, 7, 7]
    assert [student.asked for student in students] == [1, 0, 0]


def test_calls_and_log_come_with_the_answer(students):
    """Each check can be named a mistake by what was asked, and shows what was printed, its own too, once."""
    shared = Shared()
    for student in (*students, students[1]):
        shared.get("training", student, student.answer)
    assert [student.calls for student in students] == [[CALL]] * 3
    assert [student.log for student in students] == ["epoch 0\n", "epoch 0\n", "epoch 0\nof its own\n"]


@pytest.mark.parametrize(
    "ending", [CheckFailed(Finding(message="It raised.")), NotScored("Needs a GPU."), WorkerLost("time", "No answer.")]
)
def test_all_end_as_the_first_one(students, ending):
    """Whatever kept the submission from answering is told at every check, and not tried again."""
    shared = Shared()
    for student in students:
        with pytest.raises(type(ending), match=str(ending)):
            shared.get("training", student, lambda student=student: student.answer(ending))
    assert [student.asked for student in students] == [1, 0, 0]
    assert shared.known("training") is None
    assert "training" in shared


def test_our_own_faults_are_not_kept(students):
    """What is not the submission's doing ends the check that ran into it, and the next one asks anew."""
    shared = Shared()
    first, second, _ = students
    with pytest.raises(ZeroDivisionError):
        shared.get("training", first, lambda: first.answer(ZeroDivisionError()))
    assert shared.get("training", second, second.answer) == 7
