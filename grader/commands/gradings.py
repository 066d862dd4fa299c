"""Gradings from the terminal: progress, reports and summaries of one submission or several."""

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from grader.commands.exit_codes import FAILURES, FAULT, INTERRUPTED, PASSED, REFUSED
from grader.commands.output import check_writable, tell
from grader.errors import UsageError
from grader.pipeline import Options, Watcher, grade_all
from grader.records import Gradesheet, Outcome, Status
from grader.reports import print_gradesheet, print_line, print_timings, write_reports
from grader.rubric import Rubric, load_rubric

Audience = Literal["student", "tutor"]


class NoSuchSource(UsageError):  # noqa: N818 - it says what is wrong
    """A submission that was named does not exist."""

    def __init__(self, source: Path) -> None:
        super().__init__(f"There is no file or folder {str(source)!r}.")
        self.source = source


class ProgressWatcher(Watcher):
    """Shows the stages and counts the checks on a line of the terminal that goes away at the end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def stage(self, name: str) -> None:
        """Show the stage's name."""
        self._progress.update(self._task, description=name)

    def outcome(self, outcome: Outcome, number: int, checks: int) -> None:
        """Count a check."""
        self._progress.update(self._task, completed=number, total=checks, description=outcome.check)


def run(sources: Sequence[Path], options: Options, output: Path, *, audience: Audience, timings: bool = False) -> int:
    """Grade, write the reports, print summaries; the exit code that says how it went, the worst one of several."""
    folders = result_folders(sources, output)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    codes: list[int] = []
    rubric, alone = load_rubric(), len(sources) == 1
    with ExitStack() as stack:
        stack.enter_context(suppress(KeyboardInterrupt))
        progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
        gradings = stack.enter_context(closing(grade_all(sources, options, ProgressWatcher(progress))))
        for source, folder, graded in zip(sources, folders, gradings, strict=False):
            progress.stop()
            if isinstance(graded, Gradesheet):
                tell_grading(graded, rubric, folder, audience, alone=alone, timings=timings)
                codes.append(exit_code(graded))
            elif alone:
                raise graded
            else:
                tell(Console(stderr=True), f"{source.name}: refused", f"{graded.problem} {graded.advice}")
                codes.append(REFUSED)
            progress.start()
    if len(codes) < len(sources):
        told = (
            f"{len(codes)} of {len(sources)} submissions have been graded." if codes else "Nothing had been graded yet."
        )
        tell(Console(stderr=True), "Stopped", told)
        codes.append(INTERRUPTED)
    return max(codes)


def result_folders(sources: Sequence[Path], output: Path) -> list[Path]:
    """Where the reports of each source go; what would make an hour of grading worth nothing is told before it.

    Raises:
        UsageError: a source does not exist, two have the same name, or the results cannot be written.
    """
    folders: dict[Path, Path] = {}
    for source in sources:
        if not source.exists():
            raise NoSuchSource(source)
        folder = output / source.resolve().name.removesuffix(".zip")
        if folder in folders:
            raise UsageError(f"{str(folders[folder])!r} and {str(source)!r} would both be reported in {str(folder)!r}.")
        check_writable(folder)
        folders[folder] = source
    return list(folders)


def tell_grading(
    sheet: Gradesheet, rubric: Rubric, folder: Path, audience: Audience, *, alone: bool, timings: bool
) -> None:
    """Write the reports of a grading and print what came out: all of it, or a line if it is one of several."""
    console, reports = Console(), dict[str, Path]()
    try:
        reports = write_reports(sheet, rubric, folder)
    finally:  # a full disk must not cost the verdicts: they are shown at least
        if alone:
            print_gradesheet(sheet, rubric, console, reports=reports, audience=audience)
        else:
            print_line(sheet, console, reports.get("report"))
        if timings:
            print_timings(sheet, console)


def exit_code(sheet: Gradesheet) -> int:
    """How a grading that came to its end, went."""
    if not sheet.complete:
        return INTERRUPTED
    if sheet.faulty:
        return FAULT
    return FAILURES if any(item.outcome.status is Status.FAILED for item in sheet.items) else PASSED
