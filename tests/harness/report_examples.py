"""What the tests of reports share: the examples, what they look like once rendered, and a reader of pages."""

import io
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

from grader.records import Gradesheet
from grader.reports import print_gradesheet, write_reports
from tests.harness import gradesheets
from tests.harness.gradesheets import RUBRIC


@dataclass(frozen=True, eq=False)
class Example:
    """A gradesheet that reports are made of once, however many tests look at them."""

    sheet: Gradesheet


SHEETS = {
    "all passed": Example(gradesheets.all_passed()),
    "mixed": Example(gradesheets.mixed()),
    "starter": Example(gradesheets.starter()),
    "interrupted": Example(gradesheets.interrupted()),
    "faulty": Example(gradesheets.faulty()),
    "trained": Example(gradesheets.trained()),
}
HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "end of style": "</style></title></pre>--><script>alert(1)</script>",
    "template": "{{ 7 * 7 }}{% raw %}{# note #}",
    "attribute": "\" onmouseover='alert(1)' x=\"",
    "cdata": "]]></failure><failure message='x'/>&amp;&#0;",
    "rich markup": "[bold red]loud[/bold red] :warning: [link=http://example.org]x[/link]",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \x08\x08\x7f",
    "illegal in xml": "\x00 \x0b \ufffe \uffff \ud800 end",
    "bidi": "grade = \u202e001\u202c \u2066x\u2069 \u200b \ufeff",
    "lines": "a\r\nb\rc\u2028d\x85e\ttab\n\n",
    "wide": "漢字" * 60 + " 👩\u200d💻 e\u0301",
    "long": "x" * 20_000,
    "many lines": "\n".join(str(number) for number in range(2_000)),
    "empty": "",
}
HOSTILE_SHEETS = {name: Example(gradesheets.hostile(text)) for name, text in HOSTILE.items()}
ALL = SHEETS | {f"hostile: {name}": example for name, example in HOSTILE_SHEETS.items()}


every_sheet = pytest.mark.parametrize("example", ALL.values(), ids=ALL.keys())
honest_sheet = pytest.mark.parametrize("example", SHEETS.values(), ids=SHEETS.keys())
both_audiences = pytest.mark.parametrize("audience", ["student", "tutor"])


@cache
def printed(example: Example, audience: str = "student", width: int = 80, encoding: str = "utf-8") -> str:
    """What a terminal of `width` columns and `encoding` receives."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, newline="\n") as file:
        console = Console(file=file, width=width, force_terminal=False, color_system=None)
        names = {"gradesheet": "gradesheet.json", "report": "report.html", "notebook": "feedback.ipynb"}
        paths = {kind: Path("results") / name for kind, name in names.items()}
        print_gradesheet(example.sheet, RUBRIC, console, reports=paths, audience=audience)
        file.flush()
        return raw.getvalue().decode(encoding)


@cache
def rendered(example: Example) -> dict[str, str]:
    """The reports of an example as `write_reports` leaves them in a folder."""
    with TemporaryDirectory() as folder:
        paths = write_reports(example.sheet, RUBRIC, Path(folder))
        return {kind: path.read_text("utf-8") for kind, path in paths.items()}


class Page(HTMLParser):
    """What a browser would find in the page: elements, attributes, and the text it shows."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Remember an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Collect the text."""
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
