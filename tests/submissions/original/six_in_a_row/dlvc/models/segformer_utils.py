import math

import torch.nn as nn
import torch.nn.functional as F


def resize(x, size, mode='bilinear', align_corners=False):
    '''
    Brings feature maps (b x c x h x w) to another height and width.
    '''
    return F.interpolate(x, size=size, mode=mode, align_corners=align_corners)


def trunc_normal_(tensor, mean=0., std=1., a=-2., b=2.):
    '''
    Fills a tensor with normally distributed values, none of which is outside of [a, b].
    '''
    return nn.init.trunc_normal_(tensor, mean=mean, std=std, a=a, b=b)


def init_weights(m):
    '''
    Initial weights of one layer, to be used with module.apply(init_weights).
    '''
    if isinstance(m, nn.Linear):
        trunc_normal_(m.weight, std=.02)
        if m.bias is not None:
            nn.init.constant_(m.bias, 0)
    elif isinstance(m, nn.LayerNorm):
        nn.init.constant_(m.weight, 1.0)
        nn.init.constant_(m.bias, 0)
    elif isinstance(m, nn.Conv2d):
        fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels // m.groups
        m.weight.data.normal_(0, math.sqrt(2.0 / fan_out))
        if m.bias is not None:
            nn.init.constant_(m.bias, 0)


def drop_path(x, drop_prob=0., training=False):
    if drop_prob == 0. or not training:
        return x
    keep_prob = 1 - drop_prob
    # one random number for each sample
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
    if keep_prob > 0.:
        mask.div_(keep_prob)
    return x * mask


class DropPath(nn.Module):
    '''
    Stochastic depth: while training, the branch of a sample is set to zero with probability drop_prob.
    '''

    def __init__(self, drop_prob=0.):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop_path(x, self.drop_prob, self.training)
