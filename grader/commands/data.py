"""`python -m grader data`: draw look-alikes of the data sets."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from grader.commands.exit_codes import INTERRUPTED, PASSED
from grader.commands.output import tell
from grader.records import Scale


def data(
    *,
    root: Annotated[Path, Parameter(help="Folder for oxford-iiit-pet/ and cityscapes/.")],
    scale: Annotated[Scale, Parameter(help="smoke: for trainings of minutes. full: as many images as the real ones.")],
    seed: Annotated[int, Parameter(help="Other seeds give other images.", validator=Number(gte=0))] = 0,
) -> int:
    """Make look-alikes of the data sets, for those who have not got the real ones; a run broken off can be resumed."""
    from grader.lookalikes import SCALES, make_lookalikes

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    errors = Console(stderr=True)
    try:
        with Progress(*columns, console=errors, transient=True) as progress:
            task = progress.add_task("drawing images", total=None)
            make_lookalikes(
                root, scale, seed, progress=lambda done, total: progress.update(task, completed=done, total=total)
            )
    except KeyboardInterrupt:
        tell(errors, "Stopped", "The same command goes on where this one ended.")
        return INTERRUPTED
    counts = SCALES[scale]
    console = Console(soft_wrap=True)
    console.print(Text(f"{root}: {counts.trainval} pets to train on, {counts.test} to test on (--data-root {root})"))
    streets = root / "cityscapes"
    console.print(Text(f"{streets}: {counts.train} streets, {counts.val} to validate on (--data-root {streets})"))
    return PASSED
