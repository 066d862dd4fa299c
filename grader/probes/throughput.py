"""Throughput: the same work many times in one call, on content that is drawn within it.

Whoever asks reads the clock, outside of this process. The content comes from a seed that no earlier call has told, so
nothing can be prepared for it; drawing it is asked for by itself, too (`only_content`), and its time taken off. What
is returned depends on all of the work.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from grader.probes.metrics import make_metric
from grader.probes.segformer import make_network
from grader.worker.answers import number, tensor

IGNORED = 255
CLASSES, WEIGHTS = 3, 0
# So large that a gradient which is left out shows in the next losses.
LEARNING_RATE = 0.01
# Windows into what was drawn begin at so many places, so that no two updates of a metric see the same.
OFFSETS = 4096
# Added to the score of the right class, beside noise of deviation 1.
MOST_AGREEMENT = 4.0
# A submission may have set other defaults.
DRAWN: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
_KEPT: dict[str, Any] = {}


def metric(shape: list[int], times: int, content: int, device: str, *, only_content: bool) -> list[float]:
    """The mIoU of a metric after each of so many updates.

    Args:
        shape: of the predictions, (b, c, h, w).
        times: how many updates; in each, predictions agree with the labels to another extent.
        content: a seed.
        device: where the tensors are.
        only_content: draw them, and update nothing.
    """
    b, c, h, w = shape
    judged = None if only_content else make_metric(c)
    source = torch.Generator().manual_seed(content)
    noise = torch.randn(b * c * h * w + OFFSETS, **DRAWN, generator=source).to(device)
    target = torch.randint(c, (b, h, w), device="cpu", generator=source).to(device)
    right = nn.functional.one_hot(target, c).movedim(3, 1).to(noise.dtype).contiguous()
    target[:, :, 0] = IGNORED
    readings = []
    for agreement in (MOST_AGREEMENT * torch.rand(times, **DRAWN, generator=source)).tolist():
        offset = int(OFFSETS * agreement / MOST_AGREEMENT)
        prediction = torch.add(noise[offset : offset + b * c * h * w].view(shape), right, alpha=agreement)
        if judged is not None:
            judged.update(prediction, target)
            readings.append(number(judged.mIoU(), "mIoU()"))
    _synchronise(device)
    return readings


def forward(
    shape: list[int], times: int, content: int, device: str, order: list[int], *, only_content: bool
) -> list[torch.Tensor]:
    """Scores (b, classes, h, w) of so many batches of images (b, 3, h, w) by a SegFormer in evaluation mode.

    Arguments are those of `metric`, and `order` as for `segformer_network`. The first call makes the network.
    """
    network = _network(device, order).eval()
    with torch.inference_mode():
        outputs = [
            images if only_content else tensor(network(images), "SegFormer.forward")
            for images in _images(shape, times, content, device)
        ]
    _synchronise(device)
    return outputs


def training_step(
    shape: list[int], times: int, content: int, device: str, order: list[int], *, only_content: bool
) -> list[float]:
    """The losses of so many steps of training without dropout; each depends on the steps before it.

    Arguments are those of `forward`. Weights start where the last call has left them, so whoever compares two networks
    asks both for the same.
    """
    network = _network(device, order).train()
    if "optimizer" not in _KEPT:
        _KEPT["optimizer"] = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    optimizer = _KEPT["optimizer"]
    losses = []
    for images in _images(shape, times, content, device):
        labels = (images[:, 0] > 0).long()
        if only_content:
            continue
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    _synchronise(device)
    return losses


def _network(device: str, order: list[int]) -> Any:
    if "network" not in _KEPT:
        _KEPT["network"] = make_network(CLASSES, WEIGHTS, order).to(device)
    return _KEPT["network"]


def _images(shape: list[int], times: int, content: int, device: str) -> Iterator[torch.Tensor]:
    source = torch.Generator().manual_seed(content)
    for _ in range(times):
        yield torch.randn(shape, **DRAWN, generator=source).to(device)


def _synchronise(device: str) -> None:
    """Wait until a GPU has done what it was asked to."""
    if device == "cuda":
        torch.cuda.synchronize()
