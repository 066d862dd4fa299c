"""Part 5: `dlvc/models/`. Weights are drawn from a seed in the worker, the same in every worker."""

import tempfile
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from grader.probes.weights import gradients, perturb, without_dropout
from grader.worker.answers import WrongAnswer, kind, number, tensor

LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


def _transformer() -> Any:
    return import_module("dlvc.models.mit_transformer")


def _block(config: dict[str, Any], weights: int) -> nn.Module:
    block: nn.Module = _transformer().Block(**config, norm_layer=LAYER_NORM)
    perturb(block, weights)
    return block


def block(config: dict[str, Any], weights: int, x: torch.Tensor, size: list[int], *, training: bool) -> torch.Tensor:
    """Run a `Block` without gradients.

    Args:
        config: keyword arguments of the block.
        weights: seed of its weights.
        x: tokens (b, H * W, dim).
        size: H and W.
        training: the mode to run it in.
    """
    module = _block(config, weights).train(training)
    with torch.no_grad():
        return tensor(module(x, *size), "Block.forward")


def block_gradients(config: dict[str, Any], weights: int, x: torch.Tensor, size: list[int]) -> dict[str, torch.Tensor]:
    """Gradients of a `Block` in training mode, for each parameter and, as `x`, for its input."""
    module = _block(config, weights).train()
    x.requires_grad_()
    output = tensor(module(x.clone(), *size), "Block.forward")
    return gradients(module, output, weights) | {"x": torch.zeros_like(x) if x.grad is None else x.grad}


def block_branches(
    config: dict[str, Any], weights: int, x: torch.Tensor, size: list[int], scales: list[list[float]]
) -> list[torch.Tensor]:
    """What a block gives when its attention and MLP branch are multiplied by each pair of `scales`."""
    module: Any = _block(config, weights).eval()
    outputs = []
    with torch.no_grad():
        for attention, mlp in scales:
            y = x + attention * module.attn(module.norm1(x), *size)
            outputs.append(y + mlp * module.mlp(module.norm2(y), *size))
    return outputs


def patch_embed_grid(configs: list[dict[str, Any]]) -> list[dict[str, float]]:
    """`H`, `W` and `num_patches` of an `OverlapPatchEmbed` for each set of keyword arguments."""
    embeds = [_transformer().OverlapPatchEmbed(**config) for config in configs]
    names = ("H", "W", "num_patches")
    return [{name: number(getattr(embed, name), f"OverlapPatchEmbed.{name}") for name in names} for embed in embeds]


def patch_embed(config: dict[str, Any], weights: int, images: torch.Tensor) -> dict[str, Any]:
    """Tokens (b, n, c) of images (b, c, h, w), and the size of their map."""
    embed = _transformer().OverlapPatchEmbed(**config)
    perturb(embed, weights)
    with torch.no_grad():
        answer = embed.eval()(images)
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        raise WrongAnswer(f"OverlapPatchEmbed.forward should return (tokens, H, W), but returned {kind(answer)}")
    tokens, *size = answer
    return {
        "tokens": tensor(tokens, "the first value of OverlapPatchEmbed.forward"),
        "size": [number(value, "H and W of OverlapPatchEmbed.forward") for value in size],
    }


def _head(channels: list[int], width: int, classes: int, weights: int, order: list[int]) -> Any:
    head = import_module("dlvc.models.segformer_head").SegFormerHead(
        feature_strides=[2, 4, 8, 16],
        in_channels=channels,
        in_index=[0, 1, 2, 3],
        decoder_params={"embed_dim": width},
        num_classes=classes,
        dropout_ratio=0.1,
    )
    perturb(head, weights)
    reorder(head.linear_fuse.weight, order)
    return head


def reorder(fuse: torch.Tensor, order: list[int]) -> None:
    """Move the input channels of `linear_fuse` as if the levels had been concatenated in another order.

    Args:
        fuse: the weight (e, 4 * e, 1, 1), for levels in the contract's order c4, c3, c2, c1.
        order: the other order, as positions in the contract's; [0, 1, 2, 3] changes nothing.
    """
    with torch.no_grad():
        blocks = list(fuse.detach().clone().chunk(len(order), dim=1))
        fuse.copy_(torch.cat([blocks[order.index(position)] for position in range(len(order))], dim=1))


def head(
    channels: list[int], width: int, classes: int, weights: int, maps: list[torch.Tensor], order: list[int]
) -> torch.Tensor:
    """Scores of a `SegFormerHead` in evaluation mode for four maps (b, c_i, h_i, w_i)."""
    module = _head(channels, width, classes, weights, order).eval()
    with torch.no_grad():
        return tensor(module(maps), "SegFormerHead.forward")


def head_gradients(
    channels: list[int], width: int, classes: int, weights: int, maps: list[torch.Tensor], order: list[int]
) -> list[torch.Tensor]:
    """Gradients of a head in training mode for each of its four input maps."""
    module = _head(channels, width, classes, weights, order).train()
    without_dropout(module)
    for level in maps:
        level.requires_grad_()
    gradients(module, tensor(module([level.clone() for level in maps]), "SegFormerHead.forward"), weights)
    return [torch.zeros_like(level) if level.grad is None else level.grad for level in maps]


def make_network(classes: int, weights: int, order: list[int]) -> Any:
    """A SegFormer without dropout, of weights from a seed, for levels concatenated in an order (see `reorder`)."""
    network = import_module("dlvc.models.segformer").SegFormer(classes)
    perturb(network, weights)
    reorder(network.decoder.linear_fuse.weight, order)
    without_dropout(network)
    return network


def layout(classes: int) -> dict[str, Any]:
    """Names and shapes of a SegFormer's state dict, and its numbers of parameters."""
    network = import_module("dlvc.models.segformer").SegFormer(classes)
    return {
        "shapes": {name: list(value.shape) for name, value in network.state_dict().items()},
        "parameters": sum(value.numel() for value in network.parameters()),
        "encoder": sum(value.numel() for value in network.encoder.parameters()),
    }


def network(classes: int, weights: int, images: torch.Tensor, order: list[int]) -> torch.Tensor:
    """Scores (b, classes, h, w) of images (b, 3, h, w) in evaluation mode."""
    module = make_network(classes, weights, order).eval()
    with torch.no_grad():
        return tensor(module(images), "SegFormer.forward")


def network_gradients(classes: int, weights: int, images: torch.Tensor, order: list[int]) -> dict[str, Any]:
    """The length of each parameter's gradient in training mode without dropout, and the scores."""
    module = make_network(classes, weights, order).train()
    scores = tensor(module(images), "SegFormer.forward")
    lengths = {name: value.norm() for name, value in gradients(module, scores, weights).items()}
    return {"scores": scores, "lengths": lengths}


def checkpoint(weights: int, images: torch.Tensor) -> dict[str, Any]:
    """Save a small network through `DeepSegmenter`, load it into another one, and run both.

    Returns:
        `files` that were written and their `keys`, those of the bare network, and the scores `before` and `after`.
    """
    segmenter = import_module("dlvc.models.segment_model").DeepSegmenter
    saved, loaded = (segmenter(_TinyNet()) for _ in range(2))
    perturb(saved, weights)
    folder = Path(tempfile.mkdtemp())
    saved.save(folder)
    saved.save(folder, suffix="best")
    files = sorted(path.name for path in folder.iterdir())
    for path in folder.glob("*_best*"):
        loaded.load(path)
    keys = [list(torch.load(path, weights_only=True)) for path in sorted(folder.iterdir())]
    with torch.no_grad():
        return {
            "files": files,
            "keys": keys,
            "expected_keys": list(saved.net.state_dict()),
            "before": saved.eval()(images),
            "after": loaded.eval()(images),
        }


class _TinyNet(nn.Sequential):
    """A network that is no SegFormer, so that saving can be judged without Part 5."""

    def __init__(self) -> None:
        sizes = (3, 4, 3)
        super().__init__(*(nn.Conv2d(c, d, 3, padding=1) for c, d in pairwise(sizes)))
