"""`python -m grader pack`: make a hand-in."""

import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from grader.commands.exit_codes import PASSED
from grader.commands.output import check_writable
from grader.intake import take_in


def pack(folder: Path, *, output: Annotated[Path | None, Parameter(help="The zip to write.")] = None) -> int:
    """Make a hand-in: a zip of a folder, without data sets, weights and other things that do not belong in it.

    Args:
        folder: A folder with `train.py`, `train_segformer.py`, `dlvc/` and `report.pdf`.
    """
    target = output or Path(f"{folder.resolve().name}.zip")
    check_writable(target.resolve().parent)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name, "tree")
        submission = take_in(folder, tree)
        partial = target.with_suffix(".part")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in submission.files:
                archive.write(tree / file, f"{target.stem}/{file}")
        partial.replace(target)
    console = Console()
    for note in submission.notes:
        console.print(Text(f"note: {note.message}" + (f" ({note.path})" if note.path else "")))
    console.print(Text(f"{target}: {len(submission.files)} files. Grade it with: python -m grader {target}"))
    return PASSED
