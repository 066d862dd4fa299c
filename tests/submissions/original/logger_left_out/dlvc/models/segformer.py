import torch.nn as nn

from dlvc.models.mit_transformer import MixVisionTransformer
from dlvc.models.segformer_head import SegFormerHead
from dlvc.models.segformer_utils import resize


class SegFormer(nn.Module):
    '''
    Small SegFormer: the encoder gives four feature maps, the decoder makes scores of them.
    '''

    def __init__(self, num_classes):
        super().__init__()
        self.encoder = MixVisionTransformer(embed_dims=[32, 64, 160, 256],
                                            num_heads=[1, 2, 5, 8],
                                            mlp_ratios=[4, 4, 4, 4],
                                            qkv_bias=True,
                                            depths=[2, 2, 2, 2],
                                            sr_ratios=[8, 4, 2, 1],
                                            drop_path_rate=0.1)
        self.decoder = SegFormerHead(feature_strides=[2, 4, 8, 16],
                                     in_channels=[32, 64, 160, 256],
                                     in_index=[0, 1, 2, 3],
                                     decoder_params={'embed_dim': 256},
                                     num_classes=num_classes)

    def forward(self, x):
        features = self.encoder(x)
        out = self.decoder(features)
        # scores as large as the image
        return resize(out, size=x.shape[2:])
