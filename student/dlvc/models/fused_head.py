"""The decoder of `segformer_head.py` in another order of its steps, which is several times as fast.

Given, for long trainings: `SegFormer(classes, decoder=FusedHead)`, or `--decoder fused` of `train_segformer.py`.
Scores, gradients and the keys of the weights are those of the plain decoder: either loads what the other has saved.

Shapes in comments: b images, map i of c_i channels and h_i x w_i, decoder width e.
"""

from collections.abc import Sequence

import torch
from torch import nn

from .segformer_head import SegFormerHead, resize

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
    holds here.
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
