"""A reproduction on a terminal: a line for each experiment as it goes on, and the table at the end.

Without a terminal, an experiment says when it begins and how it ended, so that a log can be read.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.reports.overview import State as Mark
from grader.reports.pen import Pen
from grader.reproduction.comparing import Verdict
from grader.reproduction.running import Ending, State
from grader.reproduction.summary import (
    COLUMNS,
    ORDER_COLUMNS,
    Summary,
    order_sentence,
    order_table,
    problems,
    table,
)

MARKS = {
    State.FINISHED: Mark.PASSED,
    State.KEPT: Mark.PASSED,
    State.SKIPPED: Mark.UNSCORED,
    State.FAILED: Mark.FAULT,
}
VERDICT_STYLES = {Verdict.AS_PUBLISHED: "green", Verdict.DIFFERS: "red", Verdict.FAILED: "bold yellow"}


class Lines:
    """Shows experiments, one line each: the current one moves, those that have ended stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pen = Pen(console)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[state]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def images(self, done: int, total: int) -> None:
        """Show how many look-alikes have been drawn."""
        if not self._progress.tasks:
            self._begin("drawing look-alikes", total)
        self._update(done, f"{done} of {total}")
        if done == total:
            self._end()

    def begin(self, label: str, epochs: int) -> None:
        """An experiment is next."""
        self._label, self._epochs = label, epochs
        self._begin(label, epochs)

    def watch(self, done: int, miou: float | None) -> None:
        """Show how far it has come."""
        self._update(done, self._epoch_words(done, miou))

    def end(self, ending: Ending) -> None:
        """Leave a line on how it ended."""
        self._end()
        words = f"{ending.state.value}: {ending.reason}"
        if ending.run is not None:
            words = self._epoch_words(self._epochs, ending.run.val_miou.values[-1]) + f", {ending.seconds:.0f} s"
            words += f", {ending.state.value}" if ending.state is State.KEPT else ""
        self._console.print(self._pen.mark(MARKS[ending.state], f"{self._label}: {words}"))

    def _epoch_words(self, done: int, miou: float | None) -> str:
        return f"epoch {done} of {self._epochs}" + ("" if miou is None else f", val mIoU {miou:.3f}")

    def _begin(self, label: str, total: int) -> None:
        self._progress.add_task(label, total=total, state="")
        if not self._console.is_terminal:
            self._console.print(self._pen.text(f"{label}: begins"))

    def _update(self, done: int, words: str) -> None:
        self._progress.update(self._progress.task_ids[0], completed=done, state=words)

    def _end(self) -> None:
        self._progress.remove_task(self._progress.task_ids[0])


def print_summary(summary: Summary, console: Console) -> None:
    """Print the table, what its verdicts mean, and whether the order of the published curves came out."""
    pen = Pen(console)
    console.print()
    console.print(pen.text("Validation mIoU, ours and published", "bold"))
    console.print(Padding(_table(COLUMNS, table(summary), pen), (0, 0, 0, 2)))
    for line in (*summary.notes, *problems(summary)):
        console.print(pen.text(line))
    for order in summary.orders:
        console.print()
        mark = Mark.PASSED if order.verdict is Verdict.AS_PUBLISHED else Mark.FAILED
        console.print(pen.mark(mark, order_sentence(order), "bold"))
        console.print(Padding(_table(ORDER_COLUMNS, order_table(order), pen), (0, 0, 0, 2)))


def print_files(files: list[Path], console: Console) -> None:
    """Say where to look."""
    console.print()
    for file in files:
        console.print(Pen(console).text(str(file)), soft_wrap=True)


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]], pen: Pen) -> Table:
    grid = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold underline")
    for title in head:
        grid.add_column(pen.text(title), no_wrap=title != head[-1])
    for line in lines:
        style = next((VERDICT_STYLES[verdict] for verdict in VERDICT_STYLES if verdict.value == line[-1]), "")
        grid.add_row(*(pen.text(cell) for cell in line[:-1]), pen.text(line[-1], style))
    return grid
