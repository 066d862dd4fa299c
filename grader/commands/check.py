"""`python -m grader check`: check one's own work, as a student."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from grader.commands.gradings import run
from grader.commands.options import IsolationOption, OutputOption, TimingsOption
from grader.pipeline import Options

STUDENT_SEED: Final = 1


def check(
    folder: Path = Path("student"),
    *,
    only: Annotated[list[str] | None, Parameter(help="Check this part only, such as metrics.", name="--only")] = None,
    output: OutputOption = Path("results"),
    isolation: IsolationOption = None,
    training: Annotated[bool, Parameter(help="Train for two minutes as well, see curves, and time your code.")] = False,
    timings: TimingsOption = False,
) -> int:
    """Check your own work, as a student: what is right, what is wrong, and what to do next.

    Args:
        folder: The folder that you work in.
    """
    options = Options(STUDENT_SEED, isolation, parts=tuple(only or ()), training=training)
    return run([folder], options, output, audience="student", timings=timings)
