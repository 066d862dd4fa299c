"""Trained weights at work, in the solution's worker alone: what its networks predict with a submission's weights."""

import sys
from importlib import import_module
from typing import Any

import torch
from torch import nn

from grader.probes.segformer import reorder
from grader.probes.weights import read_state
from grader.worker.answers import WrongAnswer
from grader.worker.names import bare

BATCH = 40
AUXILIARY = "aux_classifier."


def predict(
    network: str, classes: int, weights: torch.Tensor, images: torch.Tensor, order: list[int], threads: int
) -> torch.Tensor:
    """The class of each pixel (n, h, w), uint8.

    Args:
        network: `segformer` or `fcn`.
        classes: how many it tells apart.
        weights: the bytes (k,) of a file that `torch.save` wrote.
        images: (n, h, w, 3) of 0..255; they are normalised as the scripts do it.
        order: of SegFormer's levels, as `segformer.reorder` takes it.
        threads: how many torch may use.
    """
    torch.set_num_threads(threads)
    net = _network(network, classes)
    _load(net, weights)
    if network == "segformer":
        reorder(net.decoder.linear_fuse.weight, order)  # type: ignore[union-attr,arg-type]
    cli: Any = import_module("dlvc.cli")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (cli.IMAGENET_MEAN, cli.IMAGENET_STD))
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].permute(0, 3, 1, 2)
            scores = net.eval()((batch / 255 - mean) / std)
            found.append((scores["out"] if isinstance(scores, dict) else scores).argmax(1).to(torch.uint8))
    return torch.cat(found)


def _network(name: str, classes: int) -> nn.Module:
    if name == "segformer":
        return import_module("dlvc.models.segformer").SegFormer(classes)  # type: ignore[no-any-return]
    sys.argv = ["train.py"]
    return import_module("train").build_network("scratch", classes)  # type: ignore[no-any-return]


def _load(net: nn.Module, weights: torch.Tensor) -> None:
    """Load a file's state dict, under whatever prefix it stands and without an auxiliary classifier."""
    state = read_state(weights)
    try:
        net.load_state_dict(
            {name: value for name, value in bare(dict(state)).items() if not name.startswith(AUXILIARY)}
        )
    except RuntimeError as error:
        raise WrongAnswer(f"The saved weights do not fit the solution's network: {error}"[:600]) from None
