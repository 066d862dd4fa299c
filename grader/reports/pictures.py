"""The pictures of a smoke training: its curves, its classes, its confusions, and unseen images with their predictions.

They are as wide as a phone shows them with readable text. The text in them is the grader's own and numbers; names of
classes are shown as they are, not as mathematics or markup.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from grader.experiments.curves import METRICS, load_published
from grader.experiments.figures import BLUE, Look, add_legend, draw_run, prepare_axes, shade, small_png
from grader.records import Band, Run, Sample, Series, SmokeTraining, Unseen
from grader.reports.samples import WRONG, Shown, coloured, marked, read_sample, wrong_pixels
from grader.reports.text import counted, one_line, visible

WIDTH, DPI = 5.2, 160  # inches; shown at 350 pixels, as on a phone, 10 points become 9 pixels
GREY: Final = "#6E6E6E"
INK: Final = "#333333"
# Okabe and Ito's colours, those of the pets as `viz_pets.py` has them: orange, blue and white differ in lightness too.
CLASS_COLORS: Final = ("#E69F00", "#0072B2", "#FFFFFF", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
MOST_SAMPLES: Final = 5
FEW_CLASSES: Final = 6  # so many rows and columns have room for two lines in a cell
LOSS_ROOM: Final = 2.0  # how far above the reference's highest loss the axis may reach
PANEL: Final = 1.2  # inches: 192 pixels, so that each pixel of a 64 x 64 image becomes 3 x 3
COLUMNS: Final = ("image", "truth", "prediction", "difference")


class Picture(NamedTuple):
    """A PNG, with what to say above it, below it, and in its place to those who cannot see it."""

    name: str
    title: str
    alt: str
    caption: str
    png: bytes


@lru_cache(maxsize=8)
def training_pictures(training: SmokeTraining) -> tuple[Picture, ...]:
    """Draw what there is to draw of a training, in reading order.

    Returns:
        Of the names `curves`, `published`, `class_iou`, `confusion` and `samples` those that the training has data
        for; the first always. The same training gives the same bytes.
    """
    pictures = [_curves(training)]
    published = load_published().get(training.published or "")
    if published is not None:
        pictures.append(_published(published))
    if training.unseen is not None:
        pictures += [_class_iou(training.unseen), _confusion(training.unseen)]
        if samples := readable_samples(training.unseen):
            pictures.append(_samples(training.unseen, [shown for _, shown in samples]))
    return tuple(pictures)


def readable_samples(unseen: Unseen) -> list[tuple[Sample, Shown]]:
    """Return the first samples of those that can be decoded, as they are and decoded."""
    pairs = ((sample, read_sample(sample, len(unseen.classes))) for sample in unseen.samples)
    return [(sample, shown) for sample, shown in pairs if shown is not None][:MOST_SAMPLES]


def class_colors(classes: int) -> tuple[str, ...]:
    """Return a colour `#RRGGBB` for each class, of which colour-blind readers can tell neighbours apart."""
    if classes <= len(CLASS_COLORS):
        return CLASS_COLORS[:classes]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    half = math.ceil(classes / 2)
    scale = colormaps["cividis"](np.linspace(0, 1, classes))
    return tuple(to_hex(scale[number // 2 + half * (number % 2)]) for number in range(classes))


def class_label(name: str) -> str:
    """Return the name of a class as matplotlib shows it literally, in any font."""
    plain = visible(name).encode("ascii", "backslashreplace").decode()
    return one_line(plain, chars=16).replace("$", r"\$")


def finite(run: Run | None, name: str = "submission") -> Run:
    """Return the points of a run that can be drawn; without a run there are none."""
    if run is None:
        return Run(name, *[Series((), ())] * len(METRICS))
    return Run(run.name, *(_finite(getattr(run, metric)) for metric in METRICS))


def _finite(series: Series) -> Series:
    points = [point for point in zip(series.steps, series.values, strict=True) if math.isfinite(point[1])]
    return Series(tuple(step for step, _ in points), tuple(value for _, value in points))


def highest_loss(run: Run, band: Band) -> float | None:
    """Return where the axis of losses has to end for the band to stay readable, None if it does as it is."""
    ours = max((*run.train_loss.values, *run.val_loss.values), default=0.0)
    theirs = max((*band.high.train_loss.values, *band.high.val_loss.values), default=0.0)
    return LOSS_ROOM * theirs if ours > LOSS_ROOM * theirs > 0 else None


def _curves(training: SmokeTraining) -> Picture:
    run, band = finite(training.run), training.band
    caption = f"Shaded: from the lowest to the highest of the reference's {counted(band.seeds, 'training')}."
    caption += "" if training.run else " The submission left no history that could be read."
    caption += "" if highest_loss(run, band) is None else " The submission's loss goes on above the picture."
    return Picture("curves", "Loss and mIoU by epoch", _told(run, band), caption, small_png(curves_figure(training)))


def curves_figure(training: SmokeTraining) -> Figure:
    """Draw the submission's curves over what the reference's trainings span, with their median."""
    run, band = finite(training.run), training.band
    figure = _figure(6.0)
    panels: tuple[Axes, Axes] = tuple(figure.subplots(2, 1, sharex=True))
    prepare_axes(*panels)
    panels[0].set_xlabel("")
    for axes, metrics in zip(panels, (METRICS[::2], METRICS[1::2]), strict=True):
        for metric in metrics:
            shade(axes, getattr(band.low, metric), getattr(band.high, metric), GREY)
    looks = Look("reference, median", GREY), Look("submission", BLUE)
    draw_run(*panels, band.median, looks[0])
    draw_run(*panels, run, looks[1])
    _show_lone_points(panels)
    panels[0].set_xlim(-0.4, max(training.epochs - 0.6, 0.4))
    panels[0].locator_params(axis="x", integer=True, min_n_ticks=1)
    if (top := highest_loss(run, band)) is not None:
        panels[0].set_ylim(0, top)
    add_legend(figure, looks, rows=2)
    figure.subplots_adjust(left=0.13, right=0.98, bottom=0.085, top=0.865, hspace=0.2)
    return figure


def _told(run: Run, band: Band) -> str:
    """Put the ends of the curves into words."""
    alt = "Curves of loss and mIoU by epoch, in training and validation, the submission's over the reference's range."
    for metric, label in (("val_loss", "Validation loss"), ("val_miou", "Validation mIoU")):
        ours, low, high = (getattr(each, metric).values for each in (run, band.low, band.high))
        if ours and low and high:
            alt += (
                f" {label}, last measured: {ours[-1]:.3f}; the reference at its end: {low[-1]:.3f} to {high[-1]:.3f}."
            )
    return alt


def _show_lone_points(panels: Sequence[Axes]) -> None:
    """Give a line of one point a marker, since a training of one epoch would leave no trace otherwise."""
    for axes in panels:
        for line in axes.lines:
            if np.size(line.get_xdata()) == 1:
                line.set_marker("o")


def _published(run: Run) -> Picture:
    figure = _figure(2.75)
    panels: tuple[Axes, Axes] = tuple(figure.subplots(1, 2))
    prepare_axes(*panels)
    for axes, title in zip(panels, ("Loss", "mIoU"), strict=True):
        axes.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold")
    look = Look("published run", GREY, alpha=0.75)
    draw_run(*panels, run, look)
    add_legend(figure, [look], rows=1)
    figure.subplots_adjust(left=0.125, right=0.985, bottom=0.18, top=0.76, wspace=0.42)
    epochs, ends = run.train_loss.steps[-1], f"{run.val_loss.values[-1]:.2f} and {run.val_miou.values[-1]:.2f}"
    return Picture(
        "published",
        "The published run, for the shape of its curves",
        f"Curves of the published run of {epochs} epochs; it ends at a validation loss and mIoU of {ends}.",
        f"{epochs} epochs on the real data. Its values cannot be compared with those of a short training on other "
        "data; how its curves bend can.",
        small_png(figure),
    )


def _class_iou(unseen: Unseen) -> Picture:
    classes = len(unseen.classes)
    height = 0.95 + (0.5 if classes <= FEW_CLASSES else 0.3) * classes
    figure = _figure(height)
    axes = figure.subplots()
    for offset, values, color, label in (
        (-0.19, unseen.class_iou, BLUE, "submission"),
        (0.19, unseen.median_class_iou, GREY, "reference, median"),
    ):
        bars = axes.barh([place + offset for place in range(classes)], values, 0.36, color=color, label=label)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=9 if classes <= FEW_CLASSES else 7, color=INK)
    axes.set_yticks(range(classes), [class_label(name) for name in unseen.classes])
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_ylim(classes - 0.5, -0.5)
    axes.set_xlabel("IoU on unseen images (0 to 1)", fontsize=10, color=INK)
    axes.tick_params(labelsize=10, colors=INK, length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    figure.legend(loc="upper center", ncols=2, frameon=False, fontsize=10, labelcolor=INK)
    figure.subplots_adjust(left=_room_for(unseen, 10), right=0.98, bottom=0.5 / height, top=1 - 0.35 / height)
    rows = zip(unseen.classes, unseen.class_iou, unseen.median_class_iou, strict=True)
    told = "; ".join(f"{one_line(name, chars=16)} {ours:.2f} and {theirs:.2f}" for name, ours, theirs in rows)
    return Picture(
        "class_iou",
        "IoU of each class",
        f"Bars of the IoU of each class, the submission's and the median of the reference's trainings: {told}.",
        f"On {counted(unseen.images, 'image')} that no training saw. The mIoU is the mean over the classes.",
        small_png(figure),
    )


def _room_for(unseen: Unseen, size: float) -> float:
    """Return the share of the width that the longest name of a class needs in letters of so many points."""
    return 0.03 + 0.00155 * size * max(len(class_label(name)) for name in unseen.classes)


def row_shares(confusion: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return which share of each row's pixels lies in each column; a class without pixels has shares of 0."""
    pixels = np.array(confusion, np.float64)
    shares: NDArray[np.float64] = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    return shares


def _confusion(unseen: Unseen) -> Picture:
    names, shares = [class_label(name) for name in unseen.classes], row_shares(unseen.confusion)
    few = len(names) <= FEW_CLASSES
    figure = _figure(3.6 if few else 5.2)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.1%}\n{unseen.confusion[row][column]:,} px" if few else f"{100 * share:.0f}"
        color = "white" if share > 0.55 else INK  # where Blues gives each more contrast
        axes.text(column, row, text, ha="center", va="center", fontsize=10 if few else 5, color=color)
    size = 10 if few else 6.5
    axes.set_xticks(range(len(names)), names, fontsize=size, rotation=0 if few else 90)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(colors=INK, length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_title("predicted class", fontsize=10, color=INK)
    axes.set_ylabel("true class", fontsize=10, color=INK)
    axes.spines[:].set_color("#BBBBBB")
    figure.subplots_adjust(left=_room_for(unseen, size) + 0.045, right=0.985, bottom=0.03, top=0.85 if few else 0.8)
    right = ", ".join(
        f"{one_line(name, chars=16)} {share:.1%}"
        for name, share in zip(unseen.classes, np.diag(shares).tolist(), strict=True)
    )
    return Picture(
        "confusion",
        "Confusion matrix",
        f"Confusion matrix of the true and the predicted classes of pixels. Found of each class: {right}.",
        f"Each row: where the pixels of one true class went{'' if few else ', in percent'}. What is right lies on the "
        "diagonal.",
        small_png(figure),
    )


def _samples(unseen: Unseen, samples: Sequence[Shown]) -> Picture:
    colors = class_colors(len(unseen.classes))
    rows, gap, left, above, below = len(samples), 0.05, 0.235, 0.27, 0.32
    below += 0.22 * ((len(colors) + 1 - 1) // 4)
    height = above + rows * (PANEL + gap) + below
    figure = _figure(height)
    for row, sample in enumerate(samples):
        pictures = (sample.image, coloured(sample.truth, colors), coloured(sample.predicted, colors), marked(sample))
        for column, (title, pixels) in enumerate(zip(COLUMNS, pictures, strict=True)):
            corner = left + column * (PANEL + gap), height - above - (row + 1) * PANEL - row * gap
            box = (corner[0] / WIDTH, corner[1] / height, PANEL / WIDTH, PANEL / height)
            axes = figure.add_axes(box, xticks=[], yticks=[])
            axes.imshow(pixels, interpolation="nearest", aspect="auto")
            axes.spines[:].set(color="#BBBBBB", linewidth=0.6)
            if row == 0:
                axes.set_title(title, fontsize=10, color=INK, pad=4)
            if column == 0:
                axes.set_ylabel(f"mIoU {sample.miou:.2f}", fontsize=9.5, color=INK, labelpad=3)
    _add_class_legend(figure, unseen, colors)
    told = "; ".join(f"mIoU {sample.miou:.2f}, {wrong_pixels(sample).mean():.0%} wrong" for sample in samples)
    caption = "Difference: the wrong pixels, dark on the pale image. The mIoU of an image is over the classes in it."
    if left_out := len(unseen.samples) - rows:
        caption += f" {counted(left_out, 'more sample')} not shown."
    return Picture(
        "samples",
        "Unseen images",
        f"{counted(rows, 'unseen image')}, each with its true and its predicted classes and the wrong pixels: {told}.",
        caption,
        small_png(figure, colors=256),
    )


def _add_class_legend(figure: Figure, unseen: Unseen, colors: Sequence[str]) -> None:
    handles = [
        Patch(facecolor=color, edgecolor="#888888", linewidth=0.6, label=class_label(name))
        for name, color in zip(unseen.classes, colors, strict=True)
    ]
    handles.append(Patch(facecolor=WRONG, label="wrong"))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=4,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handlelength=1.2,
        columnspacing=1.4,
        borderaxespad=0.1,
    )


def _figure(height: float) -> Figure:
    """Return an empty figure that is so many inches high."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure
