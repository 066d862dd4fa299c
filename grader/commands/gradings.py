"""Gradings from the terminal: progress, reports and summaries of one submission or several."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from grader.commands.exit_codes import FAILURES, FAULT, INTERRUPTED, PASSED, REFUSED, USAGE
from grader.commands.output import check_writable, tell
from grader.errors import GraderFault, UsageError
from grader.pipeline import Options, Watcher, grade_all
from grader.records import Gradesheet, Outcome, Status
from grader.reports import load_gradesheet, print_gradesheet, print_line, print_timings, write_reports
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
    sources, missing = [each for each in sources if each.exists()], [each for each in sources if not each.exists()]
    if not sources:
        raise NoSuchSource(missing[0])
    for source in missing:
        tell(Console(stderr=True), "Left out", str(NoSuchSource(source)))
    folders = result_folders(sources, output)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    codes: list[int] = [USAGE] * len(missing)
    rubric, alone = load_rubric(), len(sources) + len(missing) == 1
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
    graded_so_far = len(codes) - len(missing)
    if graded_so_far < len(sources):
        told = (
            f"{graded_so_far} of {len(sources)} submissions have been graded."
            if graded_so_far
            else "Nothing had been graded yet."
        )
        tell(Console(stderr=True), "Stopped", told)
        codes.append(INTERRUPTED)
    return max(codes)


def result_folders(sources: Sequence[Path], output: Path) -> list[Path]:
    """Where the reports of each source go; what would make an hour of grading worth nothing is told before it.

    Two sources of one name are told apart by the folders that they lie in.

    Raises:
        UsageError: one is named twice, or the results cannot be written.
    """
    names = Counter(_name(source) for source in sources)
    folders: dict[Path, Path] = {}
    for source in sources:
        name = _name(source)
        folder = output / (name if names[name] == 1 else f"{source.resolve().parent.name}_{name}")
        if folder in folders:
            raise UsageError(f"{str(folders[folder])!r} and {str(source)!r} would both be reported in {str(folder)!r}.")
        check_writable(folder)
        folders[folder] = source
    return list(folders)


def _name(source: Path) -> str:
    return source.resolve().name.removesuffix(".zip")


def finished(folder: Path) -> bool:
    """Whether a folder has the result of a grading that came to its end."""
    try:
        return load_gradesheet(folder / "gradesheet.json").complete
    except GraderFault:
        return False


def tell_grading(
    sheet: Gradesheet, rubric: Rubric, folder: Path, audience: Audience, *, alone: bool, timings: bool
) -> None:
    """Write the reports of a grading and print what came out: all of it, or a line if it is one of several."""
    console, reports = Console(), dict[str, Path]()
    if not sheet.complete and finished(folder):
        tell(Console(stderr=True), "Kept", f"{folder} has the result of a grading that came to its end.")
        return
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
