"""Reports: each renders a gradesheet and judges nothing; all show the same points in the same words."""

from pathlib import Path

from grader.errors import GraderFault
from grader.files import write_atomically
from grader.records import Gradesheet
from grader.reports.html import gradesheet_html
from grader.reports.json_sheet import gradesheet_json, load_gradesheet, write_schema
from grader.reports.junit import gradesheet_junit
from grader.reports.notebook import gradesheet_notebook
from grader.reports.terminal import print_gradesheet, print_line
from grader.reports.timings import print_timings
from grader.rubric import Rubric

__all__ = ["load_gradesheet", "print_gradesheet", "print_line", "print_timings", "write_reports", "write_schema"]


def write_reports(sheet: Gradesheet, rubric: Rubric, folder: Path) -> dict[str, Path]:
    """Write `gradesheet.json`, `report.html`, `feedback.ipynb` and `junit.xml` into `folder`, made if need be.

    All are rendered before the first is written, and each is replaced in one step, so a run that dies leaves
    no half report behind.

    Returns:
        The files by what they are: `gradesheet`, `report`, `notebook` and `junit`.

    Raises:
        GraderFault: the folder cannot be written to.
    """
    contents = {
        "gradesheet": ("gradesheet.json", gradesheet_json(sheet)),
        "report": ("report.html", gradesheet_html(sheet, rubric)),
        "notebook": ("feedback.ipynb", gradesheet_notebook(sheet, rubric)),
        "junit": ("junit.xml", gradesheet_junit(sheet)),
    }
    try:
        for name, text in contents.values():
            write_atomically(folder / name, text.encode())
    except OSError as error:
        raise GraderFault(f"The reports cannot be written to {folder}: {error.strerror or error}.") from error
    return {kind: folder / name for kind, (name, _) in contents.items()}
