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
        # SOLUTION-BEGIN Part 5: the concatenation in SegFormerHead.forward
        # `features` lists the four levels c1..c4, all of shape (b, e, h_1, w_1). Make them into one tensor,
        # the input of `self.linear_fuse`, of shape (b, 4 * e, h_1, w_1): the channels of the coarsest level,
        # c4, come first, those of the finest, c1, last. It is the third step of section 3.2 of the paper.

        features = torch.cat(features[::-1], dim=1)
        # SOLUTION-END
        return self.classify(self.linear_fuse(features))

    def classify(self, fused: torch.Tensor) -> torch.Tensor:
        """Return scores (b, num_classes, h_1, w_1) of the fused levels (b, e, h_1, w_1)."""
        return self.linear_pred(self.dropout(self.linear_fuse_norm(fused).relu()))


# So large that in the difference of two columns a rounding error of a is none of A_i; powers of 2 multiply exactly.
UNIT = 1024.0


class FusedHead(SegFormerHead):
    """The same decoder from the same parameters, in another order that is several times faster.

    Up to the batch norm, the decoder is linear, and resizing can change places with what maps each position by itself:
    the one mixes positions, with weights that sum to 1, the other mixes channels. With W_i and b_i of level i's linear
    layer, F_i and f of `linear_fuse` (F_i is what meets level i), and up for resizing:

        f + sum_i F_i up(W_i c_i + b_i)  =  a + sum_i up(A_i c_i)    with  A_i = F_i W_i  and  a = f + sum_i F_i b_i

    On the left, F is applied to 4 e channels at each of the finest level's positions. On the right, A_i is applied to
    c_i channels, at level i's own positions. A_i and a are read off the plain decoder, so that what is written there
    holds here. To follow a map through the network, put `SegFormerHead` in place of this class in `segformer.py`.
    """

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return scores (b, num_classes, h_1, w_1) of the encoder's maps (b, c_i, h_i, w_i)."""
        maps = [inputs[index] for index in self.in_index]
        weights, bias = self.compose([level.shape[1] for level in maps])
        fused = nn.functional.conv2d(maps[0], weights[0], bias)  # b e h_1 w_1
        for level, weight in zip(maps[1:], weights[1:], strict=True):
            # In place, as below: to get fresh memory takes longer than to add.
            fused += resize(nn.functional.conv2d(level, weight), fused.shape[2:])
        if self.training:
            fused = self.linear_fuse_norm(fused)
        return self.linear_pred(self.dropout(fused.relu_()))

    def compose(self, channels: Sequence[int]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return A_1..A_4, of shape (e, c_i, 1, 1), and a, of shape (e,), for levels of these channels.

        A linear map is known by what it makes of unit vectors. They are given to the plain decoder as four maps of
        1 x (C + 1) positions, C being the sum of all channels: stacked, these are a unit matrix and a column of zeros,
        which becomes a. In evaluation the batch norm is x * scale + shift, and part of the linear map, too.
        """
        like = self.linear_fuse.weight
        units = UNIT * torch.eye(sum(channels), sum(channels) + 1, dtype=like.dtype, device=like.device)
        maps = [level[None, :, None] for level in units.split(channels)]  # each 1 c_i 1 C+1
        columns = super().forward(dict(zip(self.in_index, maps, strict=True)))[0, :, 0]  # e C+1
        bias = columns[:, -1]
        matrix = (columns[:, :-1] - bias[:, None]) / UNIT  # e C
        return [weight[:, :, None, None] for weight in matrix.split(channels, dim=1)], bias

    def classify(self, fused: torch.Tensor) -> torch.Tensor:
        """End the plain decoder where it stops being linear."""
        return fused if self.training else self.linear_fuse_norm(fused)
