"""Part 5: the decoder of SegFormer, made of linear layers only.

Paper: "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers", section 3.2,
https://arxiv.org/abs/2105.15203

Shapes in comments: b images, map i of c_i channels and h_i x w_i, decoder width e.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn


def resize(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resize maps x (b, c, h, w) bilinearly to size (height, width)."""
    return nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


class MLP(nn.Module):
    """Bring a map to the decoder's width: the same linear layer at each of its positions."""

    def __init__(self, input_dim: int, embed_dim: int):
        super().__init__()
        self.proj = nn.Linear(input_dim, embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x (b, input_dim, h, w) to (b, embed_dim, h, w)."""
        return self.proj(x.movedim(1, 3)).movedim(3, 1)


class SegFormerHead(nn.Module):
    """All-MLP decoder: scores of each class at the finest level's resolution, from the encoder's maps.

    `in_index` tells which of the encoder's maps are the levels c1..c4, finest first; `feature_strides` and
    `in_channels` have an entry for each level; `decoder_params["embed_dim"]` is the decoder's width. Weights
    start as PyTorch has them: the encoder's rule would blow up the scores, which are few channels.
    """

    def __init__(
        self,
        feature_strides: Sequence[int],
        in_channels: Sequence[int],
        in_index: Sequence[int],
        decoder_params: Mapping[str, int],
        num_classes: int,
        dropout_ratio: float = 0.1,
    ):
        super().__init__()
        if not len(feature_strides) == len(in_channels) == len(in_index) == 4:
            lengths = len(feature_strides), len(in_channels), len(in_index)
            raise ValueError(f"feature_strides, in_channels, in_index: expected 4 of each, found {lengths}")
        if min(feature_strides) != feature_strides[0]:
            raise ValueError(f"feature_strides: expected the finest first, found {list(feature_strides)}")
        self.in_index = list(in_index)
        width = decoder_params["embed_dim"]
        self.linear_c1, self.linear_c2, self.linear_c3, self.linear_c4 = (MLP(c, width) for c in in_channels)
        self.linear_fuse = nn.Conv2d(4 * width, width, kernel_size=1)
        self.linear_fuse_norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.linear_pred = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return scores (b, num_classes, h_1, w_1) of the encoder's maps (b, c_i, h_i, w_i)."""
        linears = (self.linear_c1, self.linear_c2, self.linear_c3, self.linear_c4)
        levels = [linear(inputs[index]) for index, linear in zip(self.in_index, linears, strict=True)]
        size = levels[0].shape[2:]
        features = [resize(level, size) for level in levels]  # c1, c2, c3, c4: each b e h_1 w_1
        # TODO Part 5: the concatenation in SegFormerHead.forward
        # `features` lists the four levels c1..c4, all of shape (b, e, h_1, w_1). Make them into one tensor,
        # the input of `self.linear_fuse`, of shape (b, 4 * e, h_1, w_1): the channels of the coarsest level,
        # c4, come first, those of the finest, c1, last. It is the third step of section 3.2 of the paper.
        raise NotImplementedError("Part 5: the concatenation in SegFormerHead.forward is yours to write")
        return self.classify(self.linear_fuse(features))

    def classify(self, fused: torch.Tensor) -> torch.Tensor:
        """Return scores (b, num_classes, h_1, w_1) of the fused levels (b, e, h_1, w_1)."""
        return self.linear_pred(self.dropout(self.linear_fuse_norm(fused).relu()))
