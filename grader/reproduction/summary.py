"""The summary of a reproduction as a record, and its files: JSON, Markdown, a self-contained page, curves, pictures."""

import base64
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grader.environment import gpus
from grader.experiments.curves import load_published, runs_csv
from grader.experiments.plans import Experiment
from grader.files import write_atomically
from grader.records import Record, Run, Scale
from grader.reports.text import counted
from grader.reproduction.comparing import (
    READING_ERROR,
    SEED_BAND,
    TOLERANCE,
    Comparison,
    Endings,
    Order,
    Row,
    Verdict,
    make_order,
    make_row,
)
from grader.reproduction.drawing import PICTURES, draw_pictures
from grader.reproduction.running import Plan
from grader.sandbox.limits import usable_cores

COLUMNS: Final = ("experiment", "", "ours", "published", "difference", "verdict")
ORDER_COLUMNS: Final = ("epoch", "below", "above", "difference", "published", "above?")


class Summary(Record):
    """Everything that a reproduction has to say; `notes` say what the verdicts mean here."""

    schema_version: Literal["1"] = "1"
    scale: Scale
    data: str
    seeds: tuple[int, ...]
    device: str
    machine: str
    rows: tuple[Row, ...]
    orders: tuple[Order, ...]
    notes: tuple[str, ...]


def summarise(plan: Plan, endings: Endings) -> Summary:
    """Compare all endings with the published runs."""
    published = load_published()
    comparable = plan.scale == "full" and not plan.source.lookalikes
    by_name = {experiment.name: experiment for experiment in plan.experiments}
    orders = (
        make_order(by_name[experiment.above], experiment, endings, published)
        for experiment in plan.experiments
        if experiment.above in by_name
    )
    return Summary(
        scale=plan.scale,
        data=plan.source.identity,
        seeds=plan.seeds,
        device=plan.device,
        machine=machine(),
        rows=tuple(make_row(each, endings, published, comparable=comparable) for each in plan.experiments),
        orders=tuple(order for order in orders if order is not None),
        notes=tuple(_notes(plan)),
    )


def machine() -> str:
    """Describe what this machine trains with."""
    devices = ", ".join(gpus()) or "no GPU"
    return f"{counted(usable_cores(), 'core')} ({platform.machine()}), {devices}; torch {version('torch')}"


def _notes(plan: Plan) -> Iterator[str]:
    reasons = []
    if plan.source.lookalikes:
        reasons.append("look-alikes take the place of the real data")
    if plan.scale == "smoke":
        reasons.append("the trainings are shorter than the handout's")
    if reasons:
        yield f"Not comparable: {' and '.join(reasons)}. Only the order of the curves can be judged."
    else:
        yield (
            f"As published: final and best within {TOLERANCE:.2f} of the published ones, of which {READING_ERROR:.2f} "
            f"are the error of reading the plots and {SEED_BAND:.2f} allow for another seed."
        )
    if len(plan.seeds) > 1:
        yield f"Means over {len(plan.seeds)} seeds ± their standard deviation; the plots shade what the seeds span."


def table(summary: Summary) -> list[tuple[str, ...]]:
    """Return the lines below `COLUMNS`: final and best validation mIoU of each experiment."""
    lines: list[tuple[str, ...]] = []
    for row in summary.rows:
        if row.final is None or row.best is None:
            lines.append((row.name, "", "", "", "", row.verdict.value))
            continue
        lines.append((row.name, "final", *_cells(row.final), row.verdict.value))
        lines.append(("", "best", *_cells(row.best), ""))
    return lines


def _cells(comparison: Comparison) -> tuple[str, str, str]:
    published = "" if comparison.published is None else f"{comparison.published:.3f}"
    difference = "" if comparison.difference is None else f"{comparison.difference:+.3f}"
    return _shown(comparison.ours.mean, comparison.ours.spread), published, difference


def order_table(order: Order) -> list[tuple[str, ...]]:
    """Return the lines below `ORDER_COLUMNS`: both experiments' validation mIoU, epoch by epoch."""
    return [
        (
            str(step.epoch),
            _shown(step.lower.mean, step.lower.spread),
            _shown(step.upper.mean, step.upper.spread),
            _shown(step.difference.mean, step.difference.spread, sign="+"),
            "" if step.published is None else f"{step.published:+.3f}",
            "yes" if step.holds else "no",
        )
        for step in order.steps
    ]


def _shown(mean: float, spread: float | None, sign: str = "") -> str:
    return f"{mean:{sign}.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def order_sentence(order: Order) -> str:
    """Say how an order came out."""
    held = sum(step.holds for step in order.steps)
    by = "" if len(order.seeds) == 1 else f", by more than the spread of {len(order.seeds)} seeds,"
    return f"{order.upper} above {order.lower}{by} at {held} of {len(order.steps)} epochs: {order.verdict.value}"


def problems(summary: Summary) -> list[str]:
    """Return why experiments were skipped or failed, a line each."""
    return [f"{row.name} {state(row)}: {reason}" for row in summary.rows for reason in row.reasons]


def state(row: Row) -> str:
    """Return in a word how an experiment without all of its results ended."""
    return row.verdict.value if row.verdict in {Verdict.FAILED, Verdict.SKIPPED} else "skipped for some seeds"


def all_runs(experiments: Sequence[Experiment], endings: Endings) -> dict[str, list[Run]]:
    """Return the finished run of each seed by the experiment's name."""
    found: dict[str, list[Run]] = {}
    for experiment in experiments:
        endings_of = (of_seed[experiment.name] for of_seed in endings.values() if experiment.name in of_seed)
        found[experiment.name] = [ending.run for ending in endings_of if ending.run is not None]
    return found


def write_files(plan: Plan, endings: Endings, summary: Summary) -> list[Path]:
    """Write the summary and what it shows into the output folder, and return the files to look at first."""
    runs = all_runs(plan.experiments, endings)
    pictures = draw_pictures(plan.experiments, runs, load_published())
    files = {
        "curves.csv": runs_csv(_named_by_seed(plan, endings)).encode(),
        "summary.json": (summary.model_dump_json(indent=1) + "\n").encode(),
        "summary.md": _rendered("summary.md.jinja", summary, pictures).encode(),
        "summary.html": _rendered("summary.html.jinja", summary, pictures).encode(),
        **{f"{name}.png": picture for name, picture in pictures.items()},
    }
    for name, content in files.items():
        write_atomically(plan.output / name, content)
    return [plan.output / name for name in ("summary.html", "summary.md", "curves.csv")]


def _named_by_seed(plan: Plan, endings: Endings) -> Iterator[Run]:
    """Yield all finished runs; where there are several seeds, a run's name says which."""
    for seed, of_seed in endings.items():
        for ending in of_seed.values():
            if ending.run is not None:
                yield ending.run if len(plan.seeds) == 1 else replace(ending.run, name=f"{ending.run.name}:{seed}")


def _rendered(template: str, summary: Summary, pictures: dict[str, bytes]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(
        summary=summary,
        columns=COLUMNS,
        lines=table(summary),
        order_columns=ORDER_COLUMNS,
        orders=[(order_sentence(order), order_table(order)) for order in summary.orders],
        problems=problems(summary),
        times=[(row.name, f"{row.seconds:.0f}") for row in summary.rows if row.seconds is not None],
        pictures=[(name, PICTURES[name], base64.b64encode(data).decode()) for name, data in pictures.items()],
    )
