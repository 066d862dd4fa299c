"""Draw test images of the Oxford pets beside their masks and what a trained network predicts (Part 6)."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import nn
from torchvision.models.segmentation import fcn_resnet50

from dlvc.cli import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    add_data_arguments,
    mismatch_told,
    open_data,
    read_state_dict,
)
from dlvc.dataset.oxfordpets import OxfordPetsCustom
from dlvc.models.segformer import SegFormer

COLOURS = ListedColormap(["tab:orange", "tab:blue", "white"])


def load_network(path: Path, num_classes: int) -> nn.Module:
    """Return the network of a weights file, in evaluation mode: a SegFormer or, by its keys, an FCN.

    Raises:
        SystemExit: the file cannot be read or fits neither.
    """
    state = read_state_dict(path)
    if any(key.startswith("backbone.") for key in state):
        net: nn.Module = fcn_resnet50(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=False)
    else:
        net = SegFormer(num_classes)
    with mismatch_told(path):
        net.load_state_dict(state)
    return net.eval()


@torch.no_grad()
def predict(net: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Return the class (h, w), from 0, that a network finds at each pixel of an image (3, h, w)."""
    scores = net(image[None])
    if isinstance(scores, Mapping):
        scores = scores["out"]
    return scores[0].argmax(dim=0)


def draw(data: OxfordPetsCustom, indices: Sequence[int], net: nn.Module | None) -> Figure:
    """Return a figure with a row an image: the image, its mask and, if there is a network, its prediction."""
    titles = ["image", "mask"] if net is None else ["image", "mask", "prediction"]
    figure = Figure(figsize=(2 * len(titles), 2 * len(indices) + 0.6), layout="constrained")
    axes = figure.subplots(len(indices), len(titles), squeeze=False)
    for row, index in zip(axes, indices, strict=True):
        image, mask = data[index]
        pictures = [mask[0] - 1] if net is None else [mask[0] - 1, predict(net, image)]
        row[0].imshow(denormalised(image).numpy())
        for axis, labels in zip(row[1:], pictures, strict=True):
            axis.imshow(labels.numpy(), cmap=COLOURS, vmin=0, vmax=data.num_classes - 1, interpolation="nearest")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    legend = [Patch(facecolor=COLOURS(i), edgecolor="grey", label=name) for i, name in enumerate(data.classes_seg)]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend))
    return figure


def denormalised(image: torch.Tensor) -> torch.Tensor:
    """Return a normalised image (3, h, w) as (h, w, 3) in 0..1, as matplotlib draws it."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (image * std + mean).clamp(0, 1).permute(1, 2, 0)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_arguments(parser)
    add = parser.add_argument
    add("--output", type=Path, default=Path("viz_pets.png"), help="the PNG to write (%(default)s)")
    add("--weights", type=Path, metavar="FILE", help="saved SegFormer or FCN; without, only masks are drawn")
    add("--num", type=int, default=4, help="how many images, spread over the test split (%(default)s)")
    args = parser.parse_args(argv)
    _, data = open_data("oxford", args.data_root, args.image_size)
    if not 1 <= args.num <= len(data):
        parser.error(f"--num {args.num}: the test split has {len(data)} images")
    net = None if args.weights is None else load_network(args.weights, data.num_classes)

    indices = [i * len(data) // args.num for i in range(args.num)]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    draw(data, indices, net).savefig(args.output, dpi=150)
    print(f"drew {args.num} images to {args.output}")


if __name__ == "__main__":
    main()
