"""`report.html`: one page that needs nothing but itself, for a phone, a tutor's screen and a printer.

Theory of safety: the page holds text that a submission controls. Jinja escapes every expression; before that,
`finalize` makes its invisible characters visible; and should both fail, the page's Content-Security-Policy
allows no script, no request and no style but the one whose hash it states, and no image but those that stand in
the page itself. That is also why the bars' lengths are rules of that one style sheet and not style attributes.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader.records import Gradesheet, Item, Points, SmokeTraining, Visibility
from grader.reports import overview, text
from grader.reports.overview import State
from grader.rubric import Rubric

if TYPE_CHECKING:
    from grader.reports.pictures import Picture

_ICONS = {
    State.PASSED: "✓",
    State.FAILED: "✗",
    State.NOT_STARTED: "○",
    State.UNSCORED: "?",
    State.FAULT: "!",
}


def gradesheet_html(sheet: Gradesheet, rubric: Rubric) -> str:
    """The gradesheet as one self-contained page."""
    page = _environment()
    css = page.get_template("report.css").render() + _bar_rules(sheet)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    titles = overview.part_titles(sheet, rubric)
    return (
        page.get_template("report.html.jinja").render(
            sheet=sheet,
            css=Markup(css),  # noqa: S704 - made of our own style sheet and numbers
            css_hash=digest,
            titles=titles,
            parts=[(part, tuple(item for item in sheet.items if item.part == part.id)) for part in sheet.parts],
            next_item=overview.next_item(sheet),
            untouched=overview.untouched(sheet),
            trainings=[(training, _pictures(training)) for training in sheet.trainings],
            open_reasons=overview.open_reasons(sheet.items),
            tutor_points=overview.tutor_points(sheet.tutor_items),
            slowest=sorted(sheet.timings.checks.items(), key=lambda pair: (-pair[1], pair[0]))[:5],
        )
        + "\n"
    )


def _pictures(training: SmokeTraining) -> list[tuple["Picture", str]]:
    """The pictures of a training, each with its file as a URI that needs no other file."""
    from grader.reports.pictures import training_pictures

    pictures = training_pictures(training)
    return [(each, f"data:image/png;base64,{base64.b64encode(each.png).decode()}") for each in pictures]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "amount": text.amount,
        "counted": text.counted,
        "excerpt": lambda value: text.excerpt(value, lines=120, chars=12_000),
        "ending": lambda value: text.excerpt(value, lines=200, chars=20_000, head=0.2),
        "one_line": lambda value: text.one_line(value, chars=100),
        "redrawn": text.redrawn,
        "tally": overview.tally,
        "state": overview.state,
        "training_state": overview.training_state,
        "training_facts": overview.training_facts,
        "css_class": lambda state: state.name.lower().replace("_", "-"),
        "icon": _ICONS.__getitem__,
        "detailed": _detailed,
    }
    environment.globals |= {"of_possible": text.of_possible, "hidden": Visibility.HIDDEN, "State": State}
    return environment


def _shown(value: object) -> object:
    """Make every plain string visible on its way into the page."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _detailed(item: Item) -> bool:
    """Whether an item has more to show than one line."""
    finding = item.outcome.finding
    return bool(overview.facts(finding) or finding.traceback or finding.log)


def _bar_rules(sheet: Gradesheet) -> str:
    """The lengths of the bars' segments: `total` first, then one bar a part."""
    bars = {"total": sheet.points} | {str(number): part.points for number, part in enumerate(sheet.parts)}
    return "".join(_bar_rule(name, points) for name, points in bars.items())


def _bar_rule(name: str, points: Points) -> str:
    shares = {"earned": points.earned, "lost": points.lost, "open": points.open}
    return "".join(f"#bar-{name} .{kind}{{flex-grow:{share:.4f}}}\n" for kind, share in shares.items())
