"""Where checks are run: a worker of the solution that stays, and one for each submission in its turn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.files import CHECKS
from grader.intake import modules_imported
from grader.records import Isolation, Outcome, Submission
from grader.rubric import Rubric
from grader.sandbox import Limits, Worker
from grader.suite.evidence import Evidence
from grader.suite.plugin import Earlier, GraderPlugin
from grader.suite.pytest_run import run_checks

# What takes long to import; each is imported once, before any check, where the hand-in imports of its package.
HEAVY_PACKAGES = ("matplotlib", "torchvision.transforms.v2")


@dataclass(frozen=True)
class Setting:
    """What all gradings of a run have in common.

    Args:
        isolation: the tier that works here.
        limits: what one check may use.
        seed: what everything random is drawn from.
        room: the folder of the trees to import from; the solution's is called `reference`.
    """

    isolation: Isolation
    limits: Limits
    seed: int
    room: Path


class Runner:
    """Runs checks on one submission after another.

    Attributes:
        reference: the solution's worker; it starts when it is asked first.
        answers: what the solution has answered so far: an equal call of a later submission needs no second answer.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._students: dict[Path, Worker] = {}
        reference, mistake = setting.room / "reference", setting.room / "mistake"
        self.reference = self._worker("reference", reference, setting.limits.for_reference(), spare=mistake)
        self.answers: dict[bytes, Any] = {}

    def _worker(self, name: str, tree: Path, limits: Limits, spare: Path | None = None) -> Worker:
        imported = modules_imported(tree)
        heavy = (*(module for module in HEAVY_PACKAGES if module.partition(".")[0] in imported), "pypdf")
        return Worker(name, tree, self._setting.isolation, limits, preload=heavy, room=self._setting.room, spare=spare)

    def admit(self, tree: Path) -> Worker:
        """Start a worker for a submission, without waiting for it."""
        worker = self._students[tree] = self._worker("submission", tree, self._setting.limits)
        worker.start()
        return worker

    def run(
        self,
        rubric: Rubric,
        submission: Submission,
        tree: Path,
        on_outcome: Callable[[Outcome], None],
        earlier: Earlier | None = None,
    ) -> Evidence:
        """Run the checks of a rubric on a submission that was admitted; arguments are the plugin's.

        Raises:
            GraderFault: they could not be run.
        """
        student = self._students[tree]
        student.wait_ready()
        plugin = GraderPlugin(
            rubric, submission, student, self.reference, self._setting.seed, on_outcome, self.answers, earlier
        )
        return run_checks(plugin, CHECKS)

    def dismiss(self, tree: Path) -> None:
        """End the worker of a submission."""
        self._students.pop(tree).stop()

    def close(self) -> None:
        """End all workers."""
        for worker in (*self._students.values(), self.reference):
            worker.stop()
