"""Training curves: the published reference runs of the handout, and how any run is drawn.

The published values live in `data/handout_curves.csv`. A run is four series (loss and mIoU, in training and
in validation) against the epoch. A figure of curves shows loss at the left and mIoU at the right, training as
a thin dashed line and validation as a solid line with markers, so that runs of any origin can share it.

matplotlib is imported where something is drawn, as loading curves must stay cheap, and only through its
object-oriented interface, so that drawing neither needs a display nor touches pyplot's global state.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from grader.records import Run, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PUBLISHED_CSV: Final = Path(__file__).parent / "data" / "handout_curves.csv"
COLUMNS: Final = ("run", "metric", "step", "value")
METRICS: Final = ("train_loss", "train_miou", "val_loss", "val_miou")

# From Okabe and Ito's palette, in the order of use: any two stay apart for colour-blind readers.
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
PALETTE: Final = (BLUE, VERMILION, GREEN, PURPLE)

_INK: Final = "#333333"
_GRID: Final = "#E3E3E3"
_TRAINING: Final[Mapping[str, Any]] = {"linestyle": (0, (4, 2)), "linewidth": 1.2}
_VALIDATION: Final[Mapping[str, Any]] = {"linestyle": "-", "linewidth": 1.8, "marker": "o", "markersize": 4.5}


class Look(NamedTuple):
    """How one run appears in a figure: its name in the legend, its colour, and its opacity."""

    label: str
    color: str
    alpha: float = 1.0


class FigurePlan(NamedTuple):
    """One published figure: how each of its runs looks, and the limits of its loss axis."""

    looks: Mapping[str, Look]
    loss_limits: tuple[float, float]


FIGURES: Final[Mapping[str, FigurePlan]] = {
    "curves_fcn": FigurePlan(
        {
            "fcn_scratch": Look("FCN, from scratch", BLUE),
            "fcn_pretrained_backbone": Look("FCN, ImageNet backbone", VERMILION),
        },
        loss_limits=(0.0, 1.0),
    ),
    "curves_segformer": FigurePlan(
        {"segformer_scratch": Look("SegFormer, from scratch", BLUE)},
        loss_limits=(0.0, 2.0),
    ),
    "curves_pretraining": FigurePlan(
        {
            "segformer_scratch": Look("SegFormer, from scratch", BLUE),
            "segformer_finetuned": Look("SegFormer, fine-tuned (a)", VERMILION),
        },
        loss_limits=(0.0, 2.0),
    ),
}
"""The figures of the handout by file name. All share one mIoU axis, so that they can be compared."""

PUBLISHED_MIOU_LIMITS: Final = (0.2, 0.9)

LEGEND_COLUMNS: Final = 4  # as many of the handout's labels as stand side by side above two panels
LEGEND_ROW: Final = 0.22  # inches that another row of the legend needs
RANGE: Final = 0.15  # opacity of the area between the lowest and the highest run


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


def draw_run(loss_axes: Axes, miou_axes: Axes, run: Run, look: Look) -> None:
    """Draw one run onto a pair of axes: training thin and dashed, validation solid with markers.

    Each line carries a gid, `<run>:<metric>`, by which it can be found again in the figure.
    """
    for axes, train, val in (
        (loss_axes, "train_loss", "val_loss"),
        (miou_axes, "train_miou", "val_miou"),
    ):
        for metric, style in ((train, _TRAINING), (val, _VALIDATION)):
            series: Series = getattr(run, metric)
            axes.plot(
                series.steps,
                series.values,
                color=look.color,
                alpha=look.alpha,
                gid=f"{run.name}:{metric}",
                **style,
            )


def draw_runs(axes: tuple[Axes, Axes], runs: Mapping[str, Run], looks: Mapping[str, Look]) -> None:
    """Draw the runs that `looks` names onto a pair of axes (loss, mIoU), in the order of `looks`."""
    for name, look in looks.items():
        draw_run(*axes, runs[name], look)


def curve_figure(runs: Mapping[str, Run], looks: Mapping[str, Look]) -> Figure:
    """Draw runs as one figure: loss at the left, mIoU at the right, a legend above both."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = math.ceil((len(looks) + 2) / LEGEND_COLUMNS)
    height = 3.6 + LEGEND_ROW * (rows - 1)
    figure = Figure(figsize=(7.8, height), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    loss_axes, miou_axes = figure.subplots(1, 2)
    prepare_axes(loss_axes, miou_axes)
    draw_runs((loss_axes, miou_axes), runs, looks)
    add_legend(figure, looks.values(), rows)
    top = 1 - (0.666 + LEGEND_ROW * (rows - 1)) / height
    figure.subplots_adjust(left=0.085, right=0.985, bottom=0.486 / height, top=top, wspace=0.22)
    return figure


def shade(axes: Axes, low: Series, high: Series, color: str) -> None:
    """Shade what lies between two series that were measured in the same epochs; a single epoch gets a bar."""
    if len(low.steps) == 1:
        axes.vlines(low.steps, low.values, high.values, color=color, alpha=RANGE, linewidth=12)
        return
    axes.fill_between(low.steps, low.values, high.values, color=color, alpha=RANGE, linewidth=0)


def prepare_axes(loss_axes: Axes, miou_axes: Axes) -> None:
    """Give a pair of axes their titles, their units and the look of every figure of curves."""
    _prepare(loss_axes, "Loss: lower is better", "cross-entropy loss")
    _prepare(miou_axes, "mIoU: higher is better", "mean IoU (0 to 1)")


def _prepare(axes: Axes, title: str, quantity: str) -> None:
    axes.set_title(title, loc="left", fontsize=11.5, color=_INK, fontweight="bold")
    axes.set_xlabel("epoch", fontsize=10.5, color=_INK)
    axes.set_ylabel(quantity, fontsize=10.5, color=_INK)
    axes.tick_params(labelsize=10, colors=_INK, length=3)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.locator_params(axis="x", integer=True)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")


def add_legend(figure: Figure, looks: Iterable[Look], rows: int) -> None:
    """Put a legend of so many rows above the panels: colours say which run, line styles say training or validation."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=look.color, alpha=look.alpha, linewidth=5, label=look.label) for look in looks]
    handles.append(Line2D([], [], color=_INK, label="training", **_TRAINING))
    handles.append(Line2D([], [], color=_INK, label="validation", **_VALIDATION))
    figure.legend(
        handles=handles,
        loc="upper center",
        ncols=math.ceil(len(handles) / rows),
        frameon=False,
        fontsize=10,
        labelcolor=_INK,
        handlelength=2.2,
        columnspacing=1.5,
    )


def published_figure(name: str, runs: Mapping[str, Run] | None = None) -> Figure:
    """Draw one of `FIGURES` by its name, with the limits that the handout's figures share."""
    plan = FIGURES[name]
    figure = curve_figure(load_published() if runs is None else runs, plan.looks)
    loss_axes, miou_axes = figure.axes
    loss_axes.set_ylim(plan.loss_limits)
    miou_axes.set_ylim(PUBLISHED_MIOU_LIMITS)
    return figure


def draw_published(out_dir: Path) -> list[Path]:
    """Write every published figure as `<name>.png` into `out_dir` and return the files, in order.

    The same data and the same matplotlib give the same bytes: nothing of the time or machine enters the file.
    """
    runs = load_published()
    out_dir.mkdir(parents=True, exist_ok=True)
    files = []
    for name, plan in FIGURES.items():
        file = out_dir / f"{name}.png"
        _save_small(published_figure(name, runs), file, fingerprint(runs, plan))
        files.append(file)
    return files


def fingerprint(runs: Mapping[str, Run], plan: FigurePlan) -> str:
    """Return a digest of what a figure shows, by which a picture that is out of date can be told.

    Pixels would not do: their anti-aliasing differs from one version of matplotlib to the next.
    """
    shown = [(look, runs[name]) for name, look in plan.looks.items()]
    return hashlib.sha256(repr((shown, plan.loss_limits)).encode()).hexdigest()


def _save_small(figure: Figure, file: Path, digest: str) -> None:
    file.write_bytes(small_png(figure, {"Fingerprint": digest}))


def small_png(figure: Figure, texts: Mapping[str, str] | None = None, colors: int = 64) -> bytes:
    """Return a figure as a PNG with a palette, by default of 64 colours: line art needs no more and takes a third.

    Args:
        figure: what to draw.
        texts: what else stands in the file, by keyword.
        colors: how many colours, at most 256.
    """
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    for keyword, text in (texts or {}).items():
        info.add_text(keyword, text)
    large, small = io.BytesIO(), io.BytesIO()
    figure.savefig(large, format="png")
    with Image.open(large) as image:
        image.convert("RGB").quantize(colors, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True, pnginfo=info
        )
    return small.getvalue()
