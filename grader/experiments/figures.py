"""How training curves are drawn, and the figures of the handout.

A figure of curves shows loss at the left and mIoU at the right, training as a thin dashed line and validation as a
solid line with markers, so that runs of any origin can share it.

matplotlib is imported where something is drawn, as loading curves must stay cheap, and only through its object-oriented
interface, so that drawing neither needs a display nor touches pyplot's global state.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from grader.experiments.curves import load_published
from grader.records import Run, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
