"""Training curves: the published reference runs of the handout, and runs out of files of any origin.

The published values live in `data/handout_curves.csv`. A run is four series (loss and mIoU, in training and in
validation) against the epoch.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from grader.files import DATA
from grader.records import Run, Series

PUBLISHED_CSV: Final = DATA / "handout_curves.csv"
COLUMNS: Final = ("run", "metric", "step", "value")
METRICS: Final = ("train_loss", "train_miou", "val_loss", "val_miou")


def load_published(path: Path = PUBLISHED_CSV) -> dict[str, Run]:
    """Read the published runs, by name, in the file's order.

    Raises:
        ValueError: the file is no table of curves; the message names file, line and what was found.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return read_runs(file, source=path.name)


def read_runs(lines: Iterable[str], source: str) -> dict[str, Run]:
    """Read runs from CSV lines with the columns `run,metric,step,value`; `source` names them in errors.

    Raises:
        ValueError: a wrong header or row, steps that do not increase, or a run that lacks a metric.
    """
    reader = csv.reader(lines)
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        raise ValueError(f"{source}, line 1: expected the header {','.join(COLUMNS)}, found {','.join(header)!r}")
    table: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in reader:
        try:
            run, metric, step, value = _parse_row(row)
            _append(table.setdefault(run, {}).setdefault(metric, []), step, value)
        except ValueError as error:
            raise ValueError(f"{source}, line {reader.line_num}: {error}") from None
    return {name: _assemble(name, metrics, source) for name, metrics in table.items()}


def history_epochs(rows: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    """Return the cells of a script's `history.csv` epoch by epoch, by the names of its columns."""
    header, *body = [[cell.strip() for cell in row] for row in rows] or [[]]
    return [dict(zip(header, row, strict=False)) for row in body]


def run_of_history(epochs: Iterable[Mapping[str, str]], name: str, source: str) -> Run:
    """Make a run of the epochs of a `history.csv`, whose columns are `epoch` and the metrics.

    Raises:
        ValueError: it holds no epoch, or what is no loss or mIoU; the message says where.
    """
    lines = [
        f"{name},{metric},{row.get('epoch')},{row[metric]}" for row in epochs for metric in METRICS if row.get(metric)
    ]
    if not lines:
        raise ValueError(f"{source} holds no epoch")
    return read_runs([",".join(COLUMNS), *lines], source)[name]


def combined(runs: Sequence[Run], how: Callable[[Sequence[float]], float]) -> Run:
    """Make one value, such as the mean, of several runs that were measured in the same epochs, at each of them."""
    series = {}
    for metric in METRICS:
        of_runs: list[Series] = [getattr(run, metric) for run in runs]
        values = zip(*(each.values for each in of_runs), strict=True)
        series[metric] = Series(of_runs[0].steps, tuple(how(each) for each in values))
    return Run(runs[0].name, **series)


def runs_csv(runs: Iterable[Run]) -> str:
    """Return the text of a file that `read_runs` reads, to the last digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        for metric in METRICS:
            series: Series = getattr(run, metric)
            writer.writerows((run.name, metric, *point) for point in zip(series.steps, series.values, strict=True))
    return text.getvalue()


def _append(points: list[tuple[int, float]], step: int, value: float) -> None:
    if points and step <= points[-1][0]:
        raise ValueError(f"expected a step after {points[-1][0]}, as steps increase, found {step}")
    points.append((step, value))


def _parse_row(row: list[str]) -> tuple[str, str, int, float]:
    if len(row) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} fields, found {len(row)}: {','.join(row)!r}")
    run, metric, step, value = row
    if not run:
        raise ValueError("the run has no name")
    if metric not in METRICS:
        raise ValueError(f"expected a metric of {', '.join(METRICS)}, found {metric!r}")
    if not (step.isascii() and step.isdecimal()):
        raise ValueError(f"expected a step of 0 or more, found {step!r}")
    return run, metric, int(step), _parse_value(metric, value)


def _parse_value(metric: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"expected a number, found {text!r}") from None
    highest = 1.0 if metric.endswith("_miou") else math.inf
    if not (math.isfinite(value) and 0.0 <= value <= highest):
        raise ValueError(f"expected a {metric} that is finite and in 0..{highest:g}, found {text!r}")
    return value


def _assemble(name: str, metrics: Mapping[str, list[tuple[int, float]]], source: str) -> Run:
    missing = [metric for metric in METRICS if metric not in metrics]
    if missing:
        raise ValueError(f"{source}: run {name!r} has no {', '.join(missing)}")
    series = {
        metric: Series(tuple(step for step, _ in points), tuple(value for _, value in points))
        for metric, points in metrics.items()
    }
    return Run(name, **series)
