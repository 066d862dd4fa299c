"""The gradesheet on a terminal: a screenful for a student, all that has to be defended for a tutor.

Nothing is printed as rich markup: every text becomes a `Text` through `Pen`, which makes it visible first, so
neither `[red]` nor an escape sequence in a submission has an effect. Lines fold at the console's width.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from grader.records import Gradesheet, Isolation, Item, Points, TutorItem, Visibility
from grader.reports.overview import (
    State,
    facts,
    in_state,
    next_item,
    on_unseen,
    open_reasons,
    part_titles,
    state,
    tally,
    training_state,
    tutor_points,
    untouched,
)
from grader.reports.pen import Pen, columns
from grader.reports.text import amount, counted, excerpt, of_possible, one_line, redrawn
from grader.rubric import Rubric

_STUDENT_LINES, _TUTOR_LINES = 6, 16
_STUDENT_ITEMS = 8
_TUTOR_NOTES = 12


def print_gradesheet(
    sheet: Gradesheet,
    rubric: Rubric,
    console: Console,
    *,
    reports: dict[str, Path],
    audience: Literal["student", "tutor"],
) -> None:
    """Print a gradesheet.

    Args:
        sheet: what to print.
        rubric: the titles of parts that only a tutor judges.
        console: where to; its width is kept and its encoding respected.
        reports: the files that `write_reports` wrote; their paths are shown.
        audience: `student` gets a screenful with what to do next, `tutor` every failure and all evidence.
    """
    pen = Pen(console)
    page = _for_student if audience == "student" else _for_tutor
    console.print()
    for block in page(sheet, rubric, pen):
        console.print(Padding(block, (0, 0, 1, 2)))
    console.print(Padding(_report_paths(pen, reports, audience), (0, 0, 1, 2)))


def print_line(sheet: Gradesheet, console: Console, report: Path | None) -> None:
    """Print what one of several submissions came to, flags first, and where its report is."""
    pen = Pen(console)
    blocks = [*_flags(sheet, pen), _headline(sheet, pen)]
    blocks += [pen.text(_from_here(report), "dim")] if report is not None else []
    console.print(Padding(Group(*blocks), (0, 0, 1, 2)))


def _for_student(sheet: Gradesheet, rubric: Rubric, pen: Pen) -> Iterator[RenderableType]:
    titles = part_titles(sheet, rubric)
    yield _headline(sheet, pen)
    yield _parts(sheet, pen)
    item = next_item(sheet)
    if item:
        call = "Begin here" if untouched(sheet) else "Do this next"
        yield Group(
            Rule(pen.text(f"{call}: {titles[item.part]}", "bold"), align="left", style="dim"),
            _detail(item, pen, lines=_STUDENT_LINES),
        )
    yield from _also_failed(sheet, item, pen)
    yield from _trainings(sheet, pen)
    yield from _open(sheet, pen, groups=3, named=False)
    yield from _left_to_tutor(sheet, titles, pen)


def _for_tutor(sheet: Gradesheet, rubric: Rubric, pen: Pen) -> Iterator[RenderableType]:
    titles = part_titles(sheet, rubric)
    yield from _flags(sheet, pen)
    yield _headline(sheet, pen)
    yield _parts(sheet, pen)
    for item in in_state(sheet.items, State.FAILED):
        yield _detail(item, pen, lines=_TUTOR_LINES, source=f"{titles[item.part]} · {item.check}")
    if waiting := in_state(sheet.items, State.NOT_STARTED):
        rows = [(State.NOT_STARTED, _brief(item.title, item.outcome.finding.message, pen)) for item in waiting]
        yield Group(pen.text("Not started yet", "bold"), pen.listing(rows))
    yield from _trainings(sheet, pen)
    yield from _script_runs(sheet, pen)
    yield from _open(sheet, pen, groups=len(sheet.items), named=True)
    yield from _tutor_items(sheet.tutor_items, titles, pen)
    yield from _notes(sheet, pen)
    yield _how(sheet, pen)


def _headline(sheet: Gradesheet, pen: Pen) -> Group:
    points = of_possible(sheet.points.earned, sheet.points.possible)
    first = pen.text(f"{one_line(sheet.submission.name, chars=60)}: ") + pen.text(points, "bold")
    if sheet.points.open:
        first += pen.text(f", {amount(sheet.points.open)} open (not judged yet)", "yellow")
    legend = [pen.mark(each, f"{number} {each}") for each, number in tally(sheet.items).items()]
    rows = [first, pen.text("  ").join(legend)]
    rows += [pen.text(text, style) for text, style in _remarks(sheet)]
    return Group(*rows)


def _remarks(sheet: Gradesheet) -> Iterator[tuple[str, str]]:
    """What a reader must know before believing the points."""
    if not sheet.complete:
        yield "Stopped before the end: checks are missing, so these points are not final.", "bold yellow"
    if sheet.faulty:
        yield "The grader itself failed where it says “!”: nobody loses points by that.", "bold yellow"
    if sheet.all_passed and sheet.items:
        yield "Every check passed. Well done!", "green"
    elif untouched(sheet):
        yield "Nothing is wrong: everyone begins here. Write one task, then run this again.", ""


def _parts(sheet: Gradesheet, pen: Pen) -> Table:
    """A line a part: title, bar, points, and a column for each state that occurs anywhere."""
    states = tuple(tally(sheet.items))
    table = Table.grid()
    table.add_column(overflow="fold", min_width=10)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    for _ in range(1 + len(states)):
        table.add_column(no_wrap=True)
    for part in sheet.parts:
        numbers = tally(item for item in sheet.items if item.part == part.id)
        marks = [pen.mark(each, f"{numbers[each]}  ") if each in numbers else Text() for each in states]
        earned = pen.text(f"  {amount(part.points.earned)}", "bold")
        possible = pen.text(f" / {amount(part.points.possible)}  ")
        table.add_row(pen.text(f"{part.title}  "), _bar(part.points, pen), earned, possible, *marks)
    return table


def _bar(points: Points, pen: Pen) -> Text:
    """Earned, open and lost points as a bar that is empty or full only if that is true of the points."""
    width = 10 if pen.width >= 72 else 6
    full, half, rest = pen.bar
    if not points.possible:
        return Text(rest * width, "dim")
    earned = _cells(points.earned / points.possible, width)
    judged = _cells((points.earned + points.open) / points.possible, width)
    shades = (full * earned, "green"), (half * (judged - earned), "yellow"), (rest * (width - judged), "dim")
    return Text.assemble(*shades)


def _cells(share: float, width: int) -> int:
    near = round(share * width)
    return near if share in {0, 1} else min(max(near, 1), width - 1)


def _detail(item: Item, pen: Pen, *, lines: int, source: str | None = None) -> Group:
    """One item in full: what it asks, what was found, where, and how to go on."""
    head = Table.grid(padding=(0, 2, 0, 0), expand=True)
    head.add_column(ratio=1, overflow="fold")
    head.add_column(no_wrap=True, justify="right")
    hidden = " (hidden from students)" if item.visibility is Visibility.HIDDEN else ""
    points = of_possible(item.points.earned, item.points.possible)
    head.add_row(pen.mark(state(item), item.title + hidden, "bold"), pen.text(points))
    rows = [pen.text(source, "dim")] if source else []
    rows.append(pen.text(excerpt(item.outcome.finding.message, lines=lines, chars=100 * lines)))
    table = columns(2, gap=2, label_style="dim")
    for label, text in _rows(item, lines):
        table.add_row(pen.text(label), pen.text(text, {"expected": "green", "found": "red"}.get(label, "")))
    return Group(head, Padding(Group(*rows, table), (0, 0, 0, 2)))


def _rows(item: Item, lines: int) -> Iterator[tuple[str, str]]:
    finding = item.outcome.finding
    for label, text in facts(finding).items():
        yield label, excerpt(text, lines=lines, chars=70 * lines)
    if finding.traceback:
        yield "traceback", excerpt(finding.traceback, lines=lines, chars=100 * lines, head=0)
    if finding.log:
        yield "printed", excerpt(redrawn(finding.log), lines=lines, chars=70 * lines, head=0)


def _also_failed(sheet: Gradesheet, shown: Item | None, pen: Pen) -> Iterator[RenderableType]:
    """The other failures, a line or two each reason; hidden ones are counted only."""
    failed = in_state(sheet.items, State.FAILED)
    others = [item for item in failed if item is not shown and item.visibility is Visibility.VISIBLE]
    hidden = sum(item.visibility is Visibility.HIDDEN for item in failed)
    reasons: dict[str, list[Item]] = {}
    for item in others:
        reasons.setdefault(item.outcome.finding.message, []).append(item)
    groups = list(reasons.items())[:_STUDENT_ITEMS]
    rows: list[tuple[State | None, Text]] = [
        (State.FAILED, _brief(_titles(items, same_as=shown), message, pen)) for message, items in groups
    ]
    if more := len(others) - sum(len(items) for _, items in groups):
        rows.append((None, pen.text(f"… and {more} more in the report", "dim")))
    if hidden:
        rows.append((State.FAILED, pen.text(f"{counted(hidden, 'check')} hidden until grades are published")))
    if rows:
        yield Group(pen.text("Also to fix", "bold"), pen.listing(rows))


def _titles(items: list[Item], same_as: Item | None) -> str:
    """Name the checks that failed for one reason, by the first of them."""
    if same_as is not None and items[0].outcome.finding.message == same_as.outcome.finding.message:
        return f"{counted(len(items), 'more check')} for the same reason"
    return items[0].title + (f", and {len(items) - 1} more" if len(items) > 1 else "")


def _brief(title: str, message: str, pen: Pen) -> Text:
    room = max(2 * (pen.width - 8) - len(title), 80)
    return pen.text(f"{title}: ") + pen.text(one_line(message, chars=room), "dim")


def _open(sheet: Gradesheet, pen: Pen, *, groups: int, named: bool) -> Iterator[RenderableType]:
    """Why points are open: the checks without a verdict, by reason."""
    reasons = open_reasons(sheet.items)
    if not reasons:
        return
    rows: list[tuple[State | None, Text]] = []
    for reason, items in tuple(reasons.items())[:groups]:
        points = amount(sum(item.points.open for item in items))
        label = pen.text(f"{counted(len(items), 'check')}, {points} open: ")
        rows.append((state(items[0]), label + pen.text(one_line(reason, chars=2 * pen.width), "dim")))
        if named:
            rows.append((None, pen.text(", ".join(item.check for item in items))))
    if (more := len(reasons) - groups) > 0:
        rows.append((None, pen.text(f"… and {counted(more, 'more reason')} in the report", "dim")))
    yield Group(pen.text("Not judged yet, so nothing is lost here", "bold"), pen.listing(rows))


def _trainings(sheet: Gradesheet, pen: Pen) -> Iterator[RenderableType]:
    """The verdict on each smoke training, and how its weights do on unseen images."""
    if not sheet.trainings:
        return
    rows = []
    for training in sheet.trainings:
        title = pen.text(f"{one_line(training.title, chars=60)}: ") + pen.text(training.verdict, "bold")
        told = [pen.text(one_line(training.explanation, chars=3 * pen.width), "dim")]
        if training.unseen is not None:
            told.insert(0, pen.text(f"unseen images: {on_unseen(training.unseen)}"))
        rows.append((training_state(training), Text("\n").join([title, *told])))
    yield Group(pen.text("Smoke trainings", "bold"), pen.listing(rows))


def _script_runs(sheet: Gradesheet, pen: Pen) -> Iterator[RenderableType]:
    """What scripts without an interface turned out to train."""
    told = {run.command: "; ".join(one_line(each, chars=100) for each in run.trainings) for run in sheet.script_runs}
    rows: list[tuple[State | None, Text]] = [
        (None, pen.text(f"{one_line(command, chars=120)}: ", "bold") + pen.text(trained, "dim"))
        for command, trained in told.items()
        if trained
    ]
    if without := len(sheet.script_runs) - len(rows):
        rows.append((None, pen.text(f"… and {counted(without, 'run')} without a training, in the report", "dim")))
    if rows:
        yield Group(pen.text("Runs of the scripts, and what each of them trained", "bold"), pen.listing(rows))


def _left_to_tutor(sheet: Gradesheet, titles: dict[str, str], pen: Pen) -> Iterator[RenderableType]:
    """What no check can judge: a line while checks fail, the list once they all pass."""
    if not sheet.tutor_items:
        return
    if sheet.all_passed:
        yield from _tutor_items(sheet.tutor_items, titles, pen, guidance=False)
        return
    yield pen.text(f"Your tutor judges {counted(len(sheet.tutor_items), 'more item')}: {_given(sheet.tutor_items)}.")


def _given(items: Iterable[TutorItem]) -> str:
    regular, bonus = tutor_points(items)
    return f"up to {amount(regular)} points" + (f" and {amount(bonus)} bonus points" if bonus else "")


def _tutor_items(
    items: tuple[TutorItem, ...], titles: dict[str, str], pen: Pen, *, guidance: bool = True
) -> Iterator[RenderableType]:
    """The items that a person judges, each with a blank for its points."""
    if not items:
        return
    table = columns(2, gap=2)
    for item in items:
        title = pen.text(f"{item.title}{' (bonus)' if item.bonus else ''}")
        rows = [title, pen.text(f"{titles[item.part]}. {item.guidance}", "dim")]
        table.add_row(pen.text(f"____ / {amount(item.points)}"), Group(*rows) if guidance else title)
    yield Group(pen.text(f"For the tutor: {_given(items)}", "bold"), table)


def _flags(sheet: Gradesheet, pen: Pen) -> Iterator[RenderableType]:
    if not sheet.flags:
        return
    rows: list[Text] = []
    for flag in sheet.flags:
        rows.append(pen.text(one_line(flag.kind, chars=100) + (f" in {flag.check}" if flag.check else ""), "bold"))
        rows.append(pen.text(excerpt(flag.evidence, lines=_TUTOR_LINES, chars=100 * _TUTOR_LINES)))
    title = pen.text(f"Look at this first: {counted(len(sheet.flags), 'flag')}; no points were changed", "bold red")
    yield Panel(Group(*rows), title=title, title_align="left", border_style="red", padding=(0, 1))


def _notes(sheet: Gradesheet, pen: Pen) -> Iterator[RenderableType]:
    notes = sheet.submission.notes
    if not notes:
        return
    rows = []
    for note in notes[:_TUTOR_NOTES]:
        path = pen.text(one_line(note.path, chars=200) + ": ", "bold") if note.path else Text()
        rows.append((None, path + pen.text(one_line(note.message, chars=300))))
    if more := len(notes) - len(rows):
        rows.append((None, pen.text(f"… and {more} more in the report", "dim")))
    yield Group(pen.text("Noticed when unpacking; costs no points", "bold"), pen.listing(rows))


def _how(sheet: Gradesheet, pen: Pen) -> Table:
    """What a tutor needs in order to repeat and defend the run."""
    used = sheet.environment
    unsafe = used.isolation is Isolation.NONE
    table = columns(2, gap=2, label_style="dim")
    source = one_line(sheet.submission.source, chars=200)
    for label, text, style in (
        ("graded", f"{source} in {sheet.timings.total_seconds:.1f} s on {used.device}", ""),
        ("sha256", sheet.submission.digest, ""),
        ("seed", str(sheet.seed), ""),
        ("isolation", f"{used.isolation}: {used.isolation_detail}", "bold yellow" if unsafe else ""),
        ("versions", f"grader {used.grader}, Python {used.python}, torch {used.torch}, {used.platform}", ""),
    ):
        table.add_row(pen.text(label), pen.text(text, style))
    return table


def _report_paths(pen: Pen, reports: dict[str, Path], audience: str) -> Table:
    """Where the reports are, as seen from here; a student needs those for people only."""
    table = columns(2, gap=2)
    for kind, path in reports.items():
        if audience == "tutor" or kind in {"report", "notebook"}:
            label = {"report": "Full report", "notebook": "Notebook"}.get(kind, kind)
            table.add_row(pen.text(label), pen.text(_from_here(path), "bold"))
    return table


def _from_here(path: Path) -> str:
    here = Path.cwd()
    path = path if path.is_absolute() else here / path
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
