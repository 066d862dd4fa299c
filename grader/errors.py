"""Whose fault it is: two families of errors, and the exit code that each ends in.

A verdict can only be defended if the grader never takes its own fault for the student's, so the two never share a
base class. `UsageError` is neither: the command itself was wrong and nothing was graded.
"""


class SubmissionRejected(Exception):  # noqa: N818 - named for what happened, as the tutor reads it
    """The submission cannot be graded as it was handed in (exit code 2).

    Args:
        problem: what was found, naming the file.
        advice: what the student has to do so that it can be graded.
    """

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem} {advice}")
        self.problem = problem
        self.advice = advice


class GraderFault(Exception):  # noqa: N818 - named for what happened, as the tutor reads it
    """The grader, its installation or this machine failed (exit code 3). No points may depend on it."""


class UsageError(Exception):
    """The command asks for something that cannot be done (exit code 4)."""
