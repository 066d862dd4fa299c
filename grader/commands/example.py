"""`python -m grader example`: a hand-in to try the grader on."""

import shutil
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from grader.commands.output import check_writable
from grader.commands.pack import pack
from grader.errors import GraderFault
from grader.files import REFERENCE, ROOT
from grader.naming import PatchRefused, apply_patch
from grader.starter import handed_in

PATCH: Final = ROOT / "examples" / "group_7.patch"
NOT_HANDED_IN: Final = shutil.ignore_patterns("__pycache__", ".*")


def example(*, folder: Annotated[Path, Parameter(help="Gets group_7/ and group_7.zip.")] = Path("examples")) -> int:
    """Make the hand-in of group 7, which has two typical mistakes, as a folder and as a zip to grade."""
    check_writable(folder)
    group = folder / PATCH.stem
    write_example(group)
    return pack(group, output=group.with_suffix(".zip"))


def write_example(group: Path) -> None:
    """Write what group 7 hands in into a folder: the solution as a group would hand it in, with their own lines.

    Raises:
        GraderFault: the solution has moved on, and the patch with their lines does not fit any more.
    """
    shutil.copytree(REFERENCE, group, ignore=NOT_HANDED_IN, dirs_exist_ok=True)
    for file in group.rglob("*.py"):
        file.write_text(handed_in(file.read_text(encoding="utf-8")), encoding="utf-8")
    (group / "__init__.py").unlink()
    try:
        apply_patch(PATCH, group)
    except PatchRefused as refusal:
        raise GraderFault(f"The example cannot be made: {refusal}") from refusal
