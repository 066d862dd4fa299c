"""`python -m grader bands`: measure again what smoke trainings are held against."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.text import Text

from grader.commands.exit_codes import PASSED
from grader.files import REFERENCE
from grader.sandbox import choose_isolation, work_folder


def bands(*, seeds: Annotated[int, Parameter(validator=Number(gte=2))] = 10) -> int:
    """Train the solution with several seeds, and write anew what smoke trainings are held against.

    Args:
        seeds: Trainings each, with the seeds 0, 1, 2...
    """
    from grader.smoke.bands import measure, write_bands

    isolation, _ = choose_isolation(None, own_folder=True)
    console = Console()
    with work_folder() as folder:
        write_bands(measure(REFERENCE, folder, isolation, range(seeds), lambda line: console.print(Text(line))))
    return PASSED
