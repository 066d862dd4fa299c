"""Part 5: SegFormer in its smallest size, MiT-B0, with patch embeddings for small images.

Paper: "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
https://arxiv.org/abs/2105.15203
"""

import torch
from torch import nn

from .mit_transformer import MixVisionTransformer
from .segformer_head import SegFormerHead, resize


class SegFormer(nn.Module):
    """Scores of each class for each pixel: Mix Transformer `encoder`, all-MLP `decoder`, resizing.

    Each stage halves the map (the paper begins with a quarter): images of 64 x 64 pixels keep a map of 4 x 4.
    `decoder` is the class of the decoder: `SegFormerHead`, or `FusedHead`, which gives the same scores sooner.
    """

    def __init__(self, num_classes: int, decoder: type[SegFormerHead] = SegFormerHead):
        super().__init__()
        embed_dims = (32, 64, 160, 256)
        self.encoder = MixVisionTransformer(
            embed_dims=embed_dims,
            num_heads=(1, 2, 5, 8),
            mlp_ratios=(4, 4, 4, 4),
            qkv_bias=True,
            depths=(2, 2, 2, 2),
            sr_ratios=(8, 4, 2, 1),
        )
        self.decoder = decoder(
            feature_strides=(2, 4, 8, 16),
            in_channels=embed_dims,
            in_index=(0, 1, 2, 3),
            decoder_params={"embed_dim": 256},
            num_classes=num_classes,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores (b, num_classes, h, w) of images x (b, 3, h, w)."""
        # In evaluation no image depends on another. On a CPU, the maps of a few stay in its cache, and memory that they
        # free serves the next ones, where that of a large batch goes back to the system and has to be asked for again.
        few = max(1, 2**16 // (x.shape[2] * x.shape[3]))
        if not self.training and not x.is_cuda and len(x) > few:
            return torch.cat([self(images) for images in x.split(few)])
        scores = self.decoder(self.encoder(x))  # b classes h/2 w/2
        return resize(scores, x.shape[2:])
