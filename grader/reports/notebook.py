"""`feedback.ipynb`: a notebook for the students of a submission, to read as it is or to run and change.

It needs no file beside it and no package but numpy, matplotlib and pillow: each training's data stand in a cell of
their own. What its code draws is already there as `pictures` draws it, so that it can be read without running it.
Hidden items are counted only, as on a student's terminal. `markdown` keeps what a submission says from being more than
text.
"""

import base64
import json
import keyword
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from grader.experiments.curves import METRICS, load_published
from grader.records import Gradesheet, Item, Run, SmokeTraining, Unseen, Visibility
from grader.reports.markdown import block, code, prose
from grader.reports.overview import (
    State,
    facts,
    in_state,
    next_item,
    open_reasons,
    part_titles,
    state,
    tally,
    training_facts,
    training_state,
    tutor_points,
    untouched,
)
from grader.reports.pen import SYMBOLS
from grader.reports.text import amount, counted, excerpt, of_possible, one_line
from grader.rubric import Rubric

if TYPE_CHECKING:
    from grader.reports.pictures import Picture

CELLS: Final = Path(__file__).with_name("cells.py")
SHOWN_WIDTH: Final = 520  # CSS pixels of a picture
METADATA: Final = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TRAININGS: Final = """## Smoke trainings

Short trainings with your own scripts, held against trainings of the reference with the same settings. Run a cell
(Shift + Enter) to draw its picture anew, change it, and look closer. The next cell has to run first, and then the one
with the training's data."""

Cell = dict[str, Any]


def gradesheet_notebook(sheet: Gradesheet, rubric: Rubric) -> str:
    """The gradesheet as a notebook of nbformat 4.5; the same sheet gives the same bytes."""
    import nbformat

    cells = [*_results(sheet, rubric)]
    if sheet.trainings:
        cells += [_markdown("trainings", TRAININGS), _code("setup", code_cells()["setup"])]
        for number, training in enumerate(sheet.trainings):
            cells += _training(number, training)
    executed = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            executed += 1
            cell["execution_count"] = executed
    notebook = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": METADATA, "cells": cells})
    nbformat.validate(notebook)
    text: str = nbformat.writes(notebook)
    return text + "\n"


def _results(sheet: Gradesheet, rubric: Rubric) -> Iterator[Cell]:
    """What the checks found: the points, what to do next, all failures, and what is open."""
    yield _markdown("title", _title(sheet, rubric))
    yield _markdown("summary", _summary(sheet))
    shown = [item for item in sheet.items if item.visibility is Visibility.VISIBLE]
    failed = in_state(shown, State.FAILED)
    hidden = len(in_state(sheet.items, State.FAILED)) - len(failed)
    if failed or hidden:
        more = [f"{counted(hidden, 'check')} hidden until grades are published"] if hidden else []
        yield _markdown("failed", "\n\n".join(["## What failed", *more]))
    for item in failed:
        yield _markdown(_cell_id(f"item-{item.check}"), _failure(item))
    if begun := in_state(shown, State.NOT_STARTED):
        rows = [f"- {prose(item.title)}" for item in begun]
        yield _markdown("not-started", "\n".join(["## Not started yet", "", *rows]))
    yield from _open(sheet, shown)


def _title(sheet: Gradesheet, rubric: Rubric) -> str:
    name = one_line(sheet.submission.name, chars=60)
    rows = [f"# Feedback: {prose(name)}", f"**{of_possible(sheet.points.earned, sheet.points.possible)}**"]
    if sheet.points.open:
        rows[-1] += f", {amount(sheet.points.open)} open (not judged yet)"
    if not sheet.complete:
        rows.append("Stopped before the end: checks are missing, so these points are not final.")
    if sheet.faulty:
        rows.append(f"The grader itself failed where it says “{SYMBOLS[State.FAULT]}”: nobody loses points by that.")
    if item := next_item(sheet):
        call = "Begin here" if untouched(sheet) else "Do this next"
        rows.append(f"{call}: {prose(part_titles(sheet, rubric)[item.part])}, *{prose(item.title)}*")
    elif sheet.all_passed and sheet.items:
        rows.append("Every check passed. Well done!")
    if sheet.tutor_items:
        regular, bonus = tutor_points(sheet.tutor_items)
        points = f"up to {amount(regular)} points" + (f" and {amount(bonus)} bonus points" if bonus else "")
        rows.append(f"Your tutor judges {counted(len(sheet.tutor_items), 'more item')}: {points}.")
    return "\n\n".join(rows)


def _summary(sheet: Gradesheet) -> str:
    """A line a part, as on the terminal."""
    rows = ["## Points", "", "| part | earned | lost | open | checks |", "| --- | --: | --: | --: | --- |"]
    for part in sheet.parts:
        points = part.points
        numbers = tally(item for item in sheet.items if item.part == part.id)
        checks = ", ".join(f"{SYMBOLS[each]} {number} {prose(each.value)}" for each, number in numbers.items())
        earned = f"{amount(points.earned)} / {amount(points.possible)}"
        rows.append(f"| {prose(part.title)} | {earned} | {amount(points.lost)} | {amount(points.open)} | {checks} |")
    return "\n".join(rows)


def _failure(item: Item) -> str:
    """One item: what it asks, what was expected and found, and how to go on."""
    finding = item.outcome.finding
    rows = [
        f"### {SYMBOLS[state(item)]} {prose(item.title)}",
        f"{of_possible(item.points.earned, item.points.possible)}",
        prose(excerpt(finding.message, lines=100, chars=8_000)),
    ]
    for label, text in facts(finding).items():
        shown = excerpt(text, lines=100, chars=8_000)
        told = prose(shown) if label == "hint" else _as_code(shown)
        rows.append(f"**{label.capitalize()}:** {told}")
    if finding.traceback:
        rows.append(f"**Traceback:** {_as_code(excerpt(finding.traceback, lines=60, chars=8_000, head=0))}")
    return "\n\n".join(rows)


def _as_code(text: str) -> str:
    """Return text within the line, or below it where it has several lines itself."""
    return f"\n\n{block(text)}" if "\n" in text else code(text)


def _open(sheet: Gradesheet, shown: Iterable[Item]) -> Iterator[Cell]:
    reasons = open_reasons(shown)
    hidden = len(in_state(sheet.items, State.UNSCORED, State.FAULT)) - sum(map(len, reasons.values()))
    if not reasons and not hidden:
        return
    rows = ["## Not judged yet, so nothing is lost here", ""]
    for reason, items in reasons.items():
        points = amount(sum(item.points.open for item in items))
        names = ", ".join(f"*{prose(item.title)}*" for item in items)
        rows.append(f"- {prose(excerpt(reason, lines=20, chars=2_000))} {points} open: {names}")
    if hidden:
        rows.append(f"- {counted(hidden, 'check')} hidden until grades are published")
    yield _markdown("open", "\n".join(rows))


def _training(number: int, training: SmokeTraining) -> Iterator[Cell]:
    """A training: its verdict in words, its data, and a cell for each of its pictures."""
    from grader.reports.pictures import training_pictures

    pictures, cell_id = training_pictures(training), f"training-{number}"
    yield _markdown(cell_id, _verdict(training))
    variable = variable_name(number, training)
    yield _code(f"{cell_id}-data", data_cell(variable, training, pictures), hidden=True)
    for picture in pictures:
        yield _markdown(f"{cell_id}-{picture.name}", _caption(picture))
        source = f"training = {variable}\n{code_cells()[picture.name]}"
        yield _code(f"{cell_id}-{picture.name}-code", source, picture)


def _verdict(training: SmokeTraining) -> str:
    mark = SYMBOLS[training_state(training)]
    title = prose(one_line(training.title, chars=100))
    rows = [
        f"## {mark} {title}: {prose(training.verdict)}",
        prose(excerpt(training.explanation, lines=60, chars=6_000)),
    ]
    for label, text in training_facts(training).items():
        shown = excerpt(text, lines=20, chars=2_000)
        rows.append(f"- {label}: {code(shown) if label == 'command' else prose(shown)}")
    return "\n\n".join([*rows[:2], "\n".join(rows[2:])])


def _caption(picture: "Picture") -> str:
    """What is to be seen, also in words: Jupyter does not read out what an output says in place of its picture."""
    return f"### {picture.title}\n\n{prose(picture.caption)}\n\nIn words: {prose(picture.alt)}"


def variable_name(number: int, training: SmokeTraining) -> str:
    """Return a name for the training's data in Python, of the training's own name where that can be one."""
    plain = re.sub(r"[^a-z0-9_]", "_", training.name[:40].lower())
    fits = plain == training.name and plain.isidentifier() and not keyword.iskeyword(plain)
    return f"{plain}_data" if fits else f"training_{number}_data"


def data_cell(variable: str, training: SmokeTraining, pictures: Iterable["Picture"]) -> str:
    """Return a cell that holds what the pictures of a training show, as JSON, a line for each of its fields.

    In JSON no string can end the literal around it: three quotes in a row need two empty strings without a comma.
    """
    data = training_data(training, {picture.name for picture in pictures})
    lines = ",\n".join(f" {json.dumps(name)}: {_json(value)}" for name, value in data.items())
    return f'{variable} = json.loads(r"""{{\n{lines}\n}}""")'


def training_data(training: SmokeTraining, shown: set[str]) -> dict[str, Any]:
    """Return what the pictures named `shown` are drawn from; a training without a run has empty curves."""
    from grader.reports.pictures import class_colors, finite, highest_loss

    run, band = finite(training.run), training.band
    data: dict[str, Any] = {
        "run": _run(run),
        "band": {name: _run(getattr(band, name)) for name in ("low", "median", "high")},
        "highest_loss": highest_loss(run, band),
    }
    if "published" in shown and training.published is not None:
        data["published"] = _run(load_published()[training.published])
    if training.unseen is not None:
        data["colors"] = class_colors(len(training.unseen.classes))
        data["unseen"] = _unseen(training.unseen)
    return data


def _run(run: Run) -> dict[str, Any]:
    return {metric: getattr(run, metric)._asdict() for metric in METRICS}


def _unseen(unseen: Unseen) -> dict[str, Any]:
    from grader.reports.pictures import class_label, readable_samples

    data = unseen.model_dump(mode="json", include={"class_iou", "median_class_iou", "confusion"})
    return data | {
        "classes": [class_label(name) for name in unseen.classes],
        "samples": [sample.model_dump(mode="json") for sample, _ in readable_samples(unseen)],
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


@cache
def code_cells() -> dict[str, str]:
    """Return the code of each cell of `cells.py` by its name."""
    _, *parts = CELLS.read_text(encoding="utf-8").split("# %% ")
    return {name: source.strip() for name, _, source in (part.partition("\n") for part in parts)}


def _cell_id(text: str) -> str:
    """Return text as the format wants an id of a cell: letters, digits, hyphens and underscores, at most 64."""
    return re.sub(r"[^a-zA-Z0-9_-]", "-", text)[:64]


def _markdown(cell_id: str, source: str) -> Cell:
    return {"cell_type": "markdown", "id": cell_id, "metadata": {}, "source": source}


def _code(cell_id: str, source: str, picture: "Picture | None" = None, *, hidden: bool = False) -> Cell:
    """A code cell as it looks after it was run, with its picture as output."""
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]} if hidden else {},
        "source": source,
        "execution_count": None,
        "outputs": [] if picture is None else [_output(picture)],
    }


def _output(picture: "Picture") -> dict[str, Any]:
    png = base64.b64encode(picture.png).decode()
    return {
        "output_type": "display_data",
        "data": {"image/png": png, "text/plain": picture.alt},
        "metadata": {"image/png": {"alt": picture.alt, "width": SHOWN_WIDTH}},
    }
