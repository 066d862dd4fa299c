import torch
import torch.nn as nn
import torch.nn.functional as F

from dlvc.models.segformer_utils import resize


class MLP(nn.Module):
    '''
    Linear embedding of one feature map.
    '''

    def __init__(self, input_dim=2048, embed_dim=768):
        super().__init__()
        self.proj = nn.Linear(input_dim, embed_dim)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        x = self.proj(x)
        return x


class SegFormerHead(nn.Module):
    '''
    Decoder of the SegFormer. It is made of linear layers, and sees the feature maps of all four levels.
    '''

    def __init__(self, feature_strides, in_channels, in_index, decoder_params, num_classes, dropout_ratio=0.1):
        super().__init__()
        assert len(feature_strides) == len(in_channels)
        assert min(feature_strides) == feature_strides[0]

        self.feature_strides = feature_strides
        self.in_channels = in_channels
        self.in_index = in_index
        self.num_classes = num_classes

        c1_in_channels, c2_in_channels, c3_in_channels, c4_in_channels = in_channels
        embed_dim = decoder_params['embed_dim']

        self.linear_c4 = MLP(input_dim=c4_in_channels, embed_dim=embed_dim)
        self.linear_c3 = MLP(input_dim=c3_in_channels, embed_dim=embed_dim)
        self.linear_c2 = MLP(input_dim=c2_in_channels, embed_dim=embed_dim)
        self.linear_c1 = MLP(input_dim=c1_in_channels, embed_dim=embed_dim)

        self.linear_fuse = nn.Conv2d(embed_dim * 4, embed_dim, kernel_size=1)
        self.linear_fuse_norm = nn.BatchNorm2d(embed_dim)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.linear_pred = nn.Conv2d(embed_dim, num_classes, kernel_size=1)

    def forward(self, inputs):
        c1, c2, c3, c4 = [inputs[i] for i in self.in_index]
        n = c4.shape[0]
        size = c1.shape[2:]

        _c4 = self.linear_c4(c4).permute(0, 2, 1).reshape(n, -1, c4.shape[2], c4.shape[3])
        _c4 = resize(_c4, size=size)

        _c3 = self.linear_c3(c3).permute(0, 2, 1).reshape(n, -1, c3.shape[2], c3.shape[3])
        _c3 = resize(_c3, size=size)

        _c2 = self.linear_c2(c2).permute(0, 2, 1).reshape(n, -1, c2.shape[2], c2.shape[3])
        _c2 = resize(_c2, size=size)

        _c1 = self.linear_c1(c1).permute(0, 2, 1).reshape(n, -1, c1.shape[2], c1.shape[3])

        _c = self.linear_fuse(torch.cat([_c4, _c3, _c2, _c1], dim=1))  # (n, embed_dim, h/2, w/2)
        _c = self.linear_fuse_norm(_c)
        _c = F.relu(_c)

        x = self.dropout(_c)
        x = self.linear_pred(x)
        return x
