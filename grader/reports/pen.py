"""What the terminal report is written with: safe text, and symbols that the terminal can show."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.reports.overview import State
from grader.reports.text import visible

STYLES = {
    State.PASSED: "green",
    State.FAILED: "red",
    State.NOT_STARTED: "cyan",
    State.UNSCORED: "yellow",
    State.FAULT: "bold yellow",
}
SYMBOLS = dict(zip(State, "✓✗○?!", strict=True))
_PLAIN_SYMBOLS = dict(zip(State, "+xo?!", strict=True))
_PLAIN_PUNCTUATION = str.maketrans({"…": "...", "·": "-", "“": '"', "”": '"'})


class Pen:
    """Turns strings into `Text` for one console.

    Invisible characters become visible, and what the console's encoding cannot show becomes an escape, so
    printing never fails on a terminal that is not set to UTF-8.
    """

    def __init__(self, console: Console) -> None:
        self._encoding = console.encoding
        self._unicode = self._encoding.lower().startswith("utf")
        self.width = console.width
        self.symbols = SYMBOLS if self._unicode else _PLAIN_SYMBOLS
        self.bar = ("█", "▒", "░") if self._unicode else ("#", "~", ".")

    def text(self, text: str, style: str = "") -> Text:
        """The text in one style; `style` is ours, `text` may be anybody's."""
        shown = visible(text)
        if not self._unicode:
            plain = shown.translate(_PLAIN_PUNCTUATION)
            shown = plain.encode(self._encoding, "backslashreplace").decode(self._encoding)
        return Text(shown, style=style, overflow="fold")

    def mark(self, state: State, text: str, style: str = "") -> Text:
        """The text behind the symbol of a state."""
        return Text(f"{self.symbols[state]} ", STYLES[state], overflow="fold") + self.text(text, style)

    def listing(self, entries: Iterable[tuple[State | None, Text]]) -> Table:
        """A list whose folded lines hang below their text, behind the symbol of a state or none."""
        table = columns(2)
        for state, text in entries:
            symbol = Text(self.symbols[state], STYLES[state]) if state else Text(" ")
            table.add_row(symbol, text)
        return table


def columns(number: int, *, gap: int = 1, label_style: str = "") -> Table:
    """A grid of columns that never wrap, but for the last, which folds at the console's width."""
    table = Table.grid(padding=(0, gap, 0, 0))
    for _ in range(number - 1):
        table.add_column(no_wrap=True, style=label_style)
    table.add_column(overflow="fold")
    return table
