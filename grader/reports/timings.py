"""Where the time of a grading went, on a terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from grader.records import Gradesheet
from grader.reports.pen import Pen
from grader.reports.text import counted, one_line

SLOWEST = 5


def print_timings(sheet: Gradesheet, console: Console) -> None:
    """Print the seconds of each stage, of each part's checks and of the slowest checks.

    Parts that run side by side add up to more than the stage they are in.
    """
    pen, timings = Pen(console), sheet.timings
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    _add(table, pen, f"{timings.total_seconds:.1f} s in all", timings.stages.items())
    _add(table, pen, "Checks by part", sorted(_parts(sheet), key=_by_seconds))
    _add(table, pen, "The slowest checks", sorted(timings.checks.items(), key=_by_seconds)[:SLOWEST])
    console.print(Padding(table, (0, 0, 1, 2)))


def _parts(sheet: Gradesheet) -> Iterator[tuple[str, float]]:
    for part in sheet.parts:
        checks = [item.check for item in sheet.items if item.part == part.id]
        seconds = [sheet.timings.checks[check] for check in checks if check in sheet.timings.checks]
        if seconds:
            yield f"{part.title} ({counted(len(seconds), 'check')})", sum(seconds)


def _add(table: Table, pen: Pen, title: str, rows: Iterable[tuple[str, float]]) -> None:
    table.add_row("", pen.text(title, "bold"))
    for name, seconds in rows:
        table.add_row(pen.text(f"{seconds:.2f} s"), pen.text(one_line(name, chars=100)))


def _by_seconds(row: tuple[str, float]) -> tuple[float, str]:
    return -row[1], row[0]
