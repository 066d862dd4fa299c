"""SegFormer as others have written it, in the shape of ours."""

from torch import Tensor, nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation


class TransformersSegFormer(nn.Module):
    """The SegFormer of transformers in our shape, with scores at the size of the images."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        config = SegformerConfig(
            depths=[2, 2, 2, 2],
            hidden_sizes=[32, 64, 160, 256],
            sr_ratios=[8, 4, 2, 1],
            patch_sizes=[5, 3, 3, 3],
            strides=[2, 2, 2, 2],
            num_attention_heads=[1, 2, 5, 8],
            mlp_ratios=[4, 4, 4, 4],
            decoder_hidden_size=256,
            num_labels=num_classes,
        )
        self.net = SegformerForSemanticSegmentation(config)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (b, classes, h, w) of images x (b, 3, h, w)."""
        logits = self.net(pixel_values=x).logits
        return nn.functional.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=False)
