"""The commands of `python -m grader`, and what each way of ending means as an exit code."""

import difflib
import os
import secrets
import shutil
import signal
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal, NoReturn

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from grader import starter as starter_tool
from grader.errors import GraderFault, SubmissionRejected, UsageError
from grader.intake import take_in
from grader.lane import ROOT
from grader.pipeline import REFERENCE, Options, Watcher, grade_all, own_version, work_folder
from grader.records import Gradesheet, Isolation, Outcome, Scale, Status
from grader.reports import print_gradesheet, print_line, print_timings, write_reports, write_schema
from grader.rubric import Rubric, load_rubric
from grader.sandbox import Limits, choose_isolation

PASSED, FAILURES, REFUSED, FAULT, USAGE, INTERRUPTED = 0, 1, 2, 3, 4, 130
STUDENT_SEED = 1
SCHEMA = ROOT / "grader" / "schemas" / "gradesheet.schema.json"

EXIT_CODES = """Exit codes: 0 graded, nothing failed. 1 graded, with failures. 2 the submission was refused.
3 the grader's own fault. 4 wrong usage. 130 interrupted; what was graded is kept."""

app = App(
    name="python -m grader",
    help="Grade a submission of the semantic segmentation assignment.",
    help_epilogue=EXIT_CODES,
    version=own_version,
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
maintainers = "For maintainers"
Audience = Literal["student", "tutor"]

IsolationOption = Annotated[
    Isolation | None,
    Parameter(help="Insist on a kind of isolation. The default is the strongest that works here."),
]
TimingsOption = Annotated[bool, Parameter(help="Tell where the time went.", negative="")]
OutputOption = Annotated[Path, Parameter(help="Folder for the reports; each submission gets a folder in it.")]


@app.default
def grade_command(
    *submissions: Path,
    output: OutputOption = Path("results"),
    seed: Annotated[
        int | None, Parameter(help="Grade again with the same inputs; drawn and recorded if not given.")
    ] = None,
    isolation: IsolationOption = None,
    training: Annotated[bool, Parameter(help="Run the smoke trainings, a minute each, and time the code.")] = True,
    timings: TimingsOption = False,
    limits: Annotated[Limits | None, Parameter(name="*", group="Limits of a check")] = None,
) -> int:
    """Grade submissions: `python -m grader group_7.zip`, or several at once.

    Args:
        submissions: A group's zip, or a folder with its content.
    """
    if not submissions:
        raise UsageError("Which submission? Name a zip or a folder.")
    seed = secrets.randbelow(1 << 53) if seed is None else seed
    options = Options(seed, isolation, limits or Limits(), training=training)
    return run(submissions, options, output, audience="tutor", timings=timings)


@app.command
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


@app.command
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


@app.command
def doctor(
    *,
    every_tier: Annotated[bool, Parameter(name="--all", negative="", help="Try every isolation that works.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON in place of a table.")] = False,
) -> int:
    """Find out whether strangers' submissions can be graded on this host: 0 yes, 1 weaker than promised, 3 no."""
    from grader.doctor import run_doctor

    return run_doctor(every_tier=every_tier, as_json=as_json)


@app.command
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


@app.command
def reproduce(
    *,
    scale: Annotated[Scale, Parameter(help="smoke: minutes on two cores. full: the handout's settings.")] = "smoke",
    only: Annotated[
        list[str] | None, Parameter(help="This experiment only, and what it starts from.", negative="")
    ] = None,
    data_root: Annotated[
        Path | None, Parameter(help="Folder of oxford-iiit-pet/ and cityscapes/. Without it, look-alikes are drawn.")
    ] = None,
    output: Annotated[
        Path | None, Parameter(help="Folder of the results; results/reproduce/SCALE if not given.")
    ] = None,
    seed: Annotated[int, Parameter(help="Of the trainings.", validator=Number(gte=0))] = 0,
    seeds: Annotated[
        int, Parameter(help="So many trainings each, with seed, seed + 1...", validator=Number(gte=1))
    ] = 1,
    device: Annotated[Literal["auto", "cpu", "cuda"], Parameter(help="auto takes a GPU if there is one.")] = "auto",
) -> int:
    """Run the handout's experiments with the solution, and compare the curves with the published ones.

    What has finished is not run again. Exit code 1: something came out not as it was published.
    """
    from grader.reproduction import differs, failed, run_reproduction

    output = output or Path("results", "reproduce", scale)
    check_writable(output)
    try:
        summary = run_reproduction(scale, only or (), data_root, output, range(seed, seed + seeds), device)
    except KeyboardInterrupt:
        tell(
            Console(stderr=True), "Stopped", "Finished experiments are kept; the same command goes on with the others."
        )
        return INTERRUPTED
    if failed(summary):
        return FAULT
    return FAILURES if differs(summary) else PASSED


@app.command(group=maintainers)
def starter() -> int:
    """Make `student/` again out of `reference/`, by cutting its solution regions."""
    starter_tool.make_starter(REFERENCE, ROOT / "student")
    return PASSED


@app.command(group=maintainers)
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


@app.command(group=maintainers)
def schema() -> int:
    """Write the JSON Schema of the gradesheet again."""
    write_schema(SCHEMA)
    return PASSED


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
            raise UsageError(f"There is no file or folder {str(source)!r}.{suggestion(source)}")
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


def check_writable(folder: Path) -> None:
    """Find out before an hour of grading, not after it, that results cannot be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"The output folder {str(folder)!r} cannot be written to: {error.strerror}.") from error


def suggestion(source: Path) -> str:
    """Guess what was meant by a name that does not exist."""
    commands = [name for name in app if not name.startswith("-")]
    parent = source.parent
    neighbours = [str(parent / name) for name in os.listdir(parent)] if parent.is_dir() else []  # noqa: PTH208
    close = difflib.get_close_matches(str(source), commands + [n.removeprefix("./") for n in neighbours], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def main(arguments: list[str]) -> int:
    """Run a command; every way of ending has its exit code and one plain message."""
    signal.signal(signal.SIGTERM, _interrupt)
    errors = Console(stderr=True)
    if not arguments:
        app.help_print([], console=errors)
        return USAGE
    try:
        return int(app(arguments) or 0)
    except SubmissionRejected as error:
        title, message, code = "Refused", f"{error.problem}\n{error.advice}", REFUSED
    except GraderFault as error:
        title, message, code = "The grader's own fault", str(error), FAULT
    except UsageError as error:
        title, message, code = "Cannot do that", str(error), USAGE
    except CycloptsError as error:
        title, message, code = (
            "Cannot do that",
            f"{plain(error)}\n`python -m grader --help` shows how it is used.",
            USAGE,
        )
    except KeyboardInterrupt:
        title, message, code = "Stopped", "Nothing had been graded yet.", INTERRUPTED
    tell(errors, title, message)
    return code


def plain(error: CycloptsError) -> str:
    """What is wrong with the arguments; of a value out of its range, which one and why."""
    if isinstance(error.__cause__, ValidationError):
        return "; ".join(
            f"--{str(problem['loc'][0]).replace('_', '-')} {problem['input']}: {problem['msg']}"
            for problem in error.__cause__.errors()
        )
    return str(error)


def tell(console: Console, title: str, message: str) -> None:
    """Print a title and a message in which nothing is taken for markup."""
    console.print(
        Text(f"{title}. ", style="bold red") + Text(message),
        soft_wrap=shutil.get_terminal_size().columns < 40,
    )


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
