"""Pictures of a reproduction: its curves, over the published ones where there are any."""

import io
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final, NamedTuple

from matplotlib.figure import Figure

from grader.experiments.curves import combined
from grader.experiments.figures import PALETTE, Look, curve_figure, shade
from grader.experiments.plans import Experiment
from grader.records import Run

FAINT: Final = 0.35  # of the published curves, which lie behind ours in the same colour


class Picture(NamedTuple):
    """Which experiments share a picture, and whether the published runs are drawn behind them."""

    title: str
    experiments: tuple[str, ...]
    published: bool = False


PICTURES: Final[Mapping[str, Picture]] = {
    "fcn": Picture("FCN, from scratch and with a trained backbone", ("fcn_scratch", "fcn_backbone"), published=True),
    "pretraining": Picture(
        "SegFormer, from scratch and fine-tuned", ("segformer_scratch", "finetune_all"), published=True
    ),
    "finetuning": Picture(
        "The ways of fine-tuning",
        ("segformer_scratch", "finetune_all", "finetune_frozen", "finetune_all_half_lr"),
    ),
    "streets": Picture("Pre-training on streets", ("city_pretraining",)),
}
"""The pictures by the name of their file."""


def draw_pictures(
    experiments: Sequence[Experiment], runs: Mapping[str, Sequence[Run]], published: Mapping[str, Run]
) -> dict[str, bytes]:
    """Draw what there is to draw, as PNG by the name of the picture.

    Args:
        experiments: what the names mean.
        runs: by an experiment's name, the finished run of each seed.
        published: the published runs.
    """
    by_name = {experiment.name: experiment for experiment in experiments if runs.get(experiment.name)}
    drawn = {}
    for name, picture in PICTURES.items():
        if shown := [by_name[each] for each in picture.experiments if each in by_name]:
            drawn[name] = _png(_figure(shown, runs, published if picture.published else {}))
    return drawn


def _figure(
    experiments: Sequence[Experiment], runs: Mapping[str, Sequence[Run]], published: Mapping[str, Run]
) -> Figure:
    curves, looks = dict[str, Run](), dict[str, Look]()
    for experiment, color in zip(experiments, PALETTE, strict=False):
        curves[experiment.name] = combined(runs[experiment.name], mean)
        looks[experiment.name] = Look(_label(experiment, len(experiments)), color)
        if (behind := published.get(experiment.published or "")) is not None:
            theirs = f"published:{behind.name}"
            curves[theirs] = behind
            looks[theirs] = Look("the same, published", color, alpha=FAINT)
    figure = curve_figure(curves, looks)
    for experiment, color in zip(experiments, PALETTE, strict=False):
        _shade_range(figure, runs[experiment.name], color)
    return figure


def _label(experiment: Experiment, together: int) -> str:
    """Return an experiment's title; among many, without the network, which they share, as legends have one width."""
    return experiment.title if together <= 2 else experiment.title.rpartition("SegFormer, ")[2]


def _shade_range(figure: Figure, runs: Sequence[Run], color: str) -> None:
    """Shade what the validation curves of several seeds span."""
    if len(runs) == 1:
        return
    low, high = combined(runs, min), combined(runs, max)
    for axes, metric in zip(figure.axes, ("val_loss", "val_miou"), strict=True):
        shade(axes, getattr(low, metric), getattr(high, metric), color)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
