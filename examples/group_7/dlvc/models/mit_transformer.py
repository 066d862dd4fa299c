"""Part 5: the Mix Transformer (MiT), the encoder of SegFormer.

Paper: "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers", section 3.1,
https://arxiv.org/abs/2105.15203

Shapes in comments: b images, n = h * w tokens of a stage's map, c channels, k heads of d channels each, and m
tokens left after the spatial reduction.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

PATCH_SIZES = (5, 3, 3, 3)
STRIDES = (2, 2, 2, 2)
LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)  # of blocks and stages; elsewhere the authors keep 1e-5


def as_pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of a size that is given as a pair or, for a square, as one number."""
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width


def init_weights(module: nn.Module) -> None:
    """Initialise a layer as the paper's authors do; for use with `nn.Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.LayerNorm)) and module.bias is not None:
        nn.init.zeros_(module.bias)


class DropPath(nn.Module):
    """Stochastic depth: in training, zero a residual branch for each sample with probability `p`.

    What is left is scaled by 1 / (1 - p), so that the mean stays. The identity in evaluation or with p = 0.
    Paper: "Deep Networks with Stochastic Depth", https://arxiv.org/abs/1603.09382
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p: expected a probability in 0..1, found {p}")
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop samples of x (b, ...)."""
        if self.p == 0 or not self.training:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = x.new_empty(len(x), *[1] * (x.ndim - 1)).bernoulli_(1 - self.p)  # b 1 ... 1
        return x * keep / (1 - self.p)

    def extra_repr(self) -> str:
        """Show the probability in the printed module."""
        return f"p={self.p}"


class DWConv(nn.Module):
    """Depth-wise 3 x 3 convolution over tokens: it tells them their position through the zero padding."""

    def __init__(self, dim: int = 768):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=3, padding=1, groups=dim)

    def forward(self, x: torch.Tensor, H: int, W: int) -> torch.Tensor:
        """Convolve tokens x (b, H*W, c) as a map of H x W and return tokens of the same shape."""
        x = x.transpose(1, 2).unflatten(2, (H, W))  # b c h w
        return self.dwconv(x).flatten(2).transpose(1, 2)  # b n c


class Mlp(nn.Module):
    """The paper's Mix-FFN, equation (3): fc2(act(dwconv(fc1(x)))); the residual is added by `Block`."""

    def __init__(
        self,
        in_features: int,
        hidden_features: int | None = None,
        out_features: int | None = None,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        drop: float = 0.0,
    ):
        super().__init__()
        hidden_features = hidden_features or in_features
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.dwconv = DWConv(hidden_features)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden_features, out_features or in_features)
        self.drop = nn.Dropout(drop)

    def forward(self, x: torch.Tensor, H: int, W: int) -> torch.Tensor:
        """Map tokens x (b, H*W, in_features) to (b, H*W, out_features)."""
        x = self.act(self.dwconv(self.fc1(x), H, W))
        return self.drop(self.fc2(self.drop(x)))


class Attention(nn.Module):
    """Efficient self-attention: keys and values come from a map that is `sr_ratio` times smaller each way.

    `qk_scale` replaces the factor 1 / sqrt(head dimension) before the softmax.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        *,
        qkv_bias: bool = False,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        sr_ratio: int = 1,
    ):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim: expected a multiple of the {num_heads} heads, found {dim}")
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5 if qk_scale is None else qk_scale
        self.q = nn.Linear(dim, dim, bias=qkv_bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=qkv_bias)
        self.attn_drop = nn.Dropout(attn_drop)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)
        self.sr_ratio = sr_ratio
        if sr_ratio > 1:
            self.sr = nn.Conv2d(dim, dim, kernel_size=sr_ratio, stride=sr_ratio)
            self.norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor, H: int, W: int) -> torch.Tensor:
        """Attend from tokens x (b, H*W, c) to their reduced map; the shape stays."""
        q = self.q(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # b k n d

        reduced = x
        if self.sr_ratio > 1:
            reduced = self.sr(x.transpose(1, 2).unflatten(2, (H, W)))  # b c h/sr w/sr
            reduced = self.norm(reduced.flatten(2).transpose(1, 2))  # b m c
        kv = self.kv(reduced).unflatten(2, (2, self.num_heads, -1))  # b m 2 k d
        k, v = kv.permute(2, 0, 3, 1, 4)  # each b k m d
        # softmax(scale * q k^T) v; its n x m weights are made and used block by block, never held as a whole.
        dropped = self.attn_drop.p if self.training else 0.0
        x = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropped, scale=self.scale)  # b k n d
        return self.proj_drop(self.proj(x.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """A pre-norm Transformer block: efficient self-attention, then Mix-FFN, each on a residual branch."""

    def __init__(  # noqa: PLR0913, PLR0917, the published signature
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,  # noqa: FBT001, FBT002, as above
        qk_scale: float | None = None,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path: float = 0.0,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        sr_ratio: int = 1,
    ):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = Attention(
            dim,
            num_heads,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            attn_drop=attn_drop,
            proj_drop=drop,
            sr_ratio=sr_ratio,
        )
        self.drop_path = DropPath(drop_path)
        self.norm2 = norm_layer(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), act_layer=act_layer, drop=drop)
        self.apply(init_weights)

    def forward(self, x: torch.Tensor, H: int, W: int) -> torch.Tensor:
        """Transform tokens x (b, H*W, dim), row by row of an H x W map; the shape stays."""
        y = self.attn(self.norm1(x), H, W)
        x = x + self.drop_path(y)
        y = self.mlp(self.norm2(x), H, W)
        x = x + y
        return x


class OverlapPatchEmbed(nn.Module):
    """Overlapped patch merging: a strided convolution makes tokens of patches that share their borders.

    `H` and `W` are the rows and columns of tokens that `forward` gives for an image of `img_size`, and
    `num_patches` is their number; `img_size` and `patch_size` are a number or a pair (height, width).
    """

    def __init__(
        self,
        img_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 7,
        stride: int = 4,
        in_chans: int = 3,
        embed_dim: int = 768,
    ):
        super().__init__()
        img_size = as_pair(img_size)
        patch_size = as_pair(patch_size)
        self.H, self.W = img_size[0] // stride, img_size[1] // stride
        self.num_patches = self.H * self.W
        padding = (patch_size[0] // 2, patch_size[1] // 2)
        self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, stride, padding)
        self.norm = nn.LayerNorm(embed_dim)
        self.apply(init_weights)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int, int]:
        """Return tokens (b, H*W, embed_dim) of images x (b, in_chans, height, width), with their H and W."""
        x = self.proj(x)  # b c h w
        H, W = x.shape[2:]
        return self.norm(x.flatten(2).transpose(1, 2)), H, W


class MixVisionTransformer(nn.Module):
    """Hierarchical encoder: four stages, each an overlapped patch merging, some blocks and a layer norm.

    Sequences have one entry a stage. The probability of dropping a block's branches grows linearly with
    depth, from 0 to `drop_path_rate`. `img_size` only sets the token counts that the patch embeddings tell:
    `forward` takes images of any size from 15 x 15 pixels, below which a map is smaller than its reduction.
    """

    def __init__(  # noqa: PLR0913, the hyper-parameters that the paper tells its sizes apart by
        self,
        img_size: int | Sequence[int] = 224,
        in_chans: int = 3,
        embed_dims: Sequence[int] = (32, 64, 160, 256),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        mlp_ratios: Sequence[float] = (4, 4, 4, 4),
        *,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        norm_layer: Callable[[int], nn.Module] = LAYER_NORM,
        depths: Sequence[int] = (2, 2, 2, 2),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
    ):
        super().__init__()
        drop_paths = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        stages = zip(embed_dims, num_heads, mlp_ratios, depths, sr_ratios, PATCH_SIZES, STRIDES, strict=True)
        for stage, (dim, heads, mlp_ratio, depth, sr_ratio, patch_size, stride) in enumerate(stages, start=1):
            embed = OverlapPatchEmbed(img_size, patch_size, stride, in_chans, dim)
            blocks = nn.ModuleList(
                Block(
                    dim,
                    heads,
                    mlp_ratio,
                    qkv_bias,
                    qk_scale,
                    drop_rate,
                    attn_drop_rate,
                    next(drop_paths),
                    norm_layer=norm_layer,
                    sr_ratio=sr_ratio,
                )
                for _ in range(depth)
            )
            self.add_module(f"patch_embed{stage}", embed)
            self.add_module(f"block{stage}", blocks)
            self.add_module(f"norm{stage}", norm_layer(dim))
            img_size, in_chans = (embed.H, embed.W), dim
        self.num_stages = len(depths)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return each stage's map (b, embed_dims[i], h_i, w_i) of images x (b, in_chans, height, width)."""
        # The same numbers, but the channels of a pixel side by side in memory. Convolutions keep that order, and tokens
        # have it: from here on, to see tokens as a map, or a map as tokens, moves no data.
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for stage in range(1, self.num_stages + 1):
            x, H, W = self.get_submodule(f"patch_embed{stage}")(x)  # b n c
            for block in self.get_submodule(f"block{stage}"):
                x = block(x, H, W)
            x = self.get_submodule(f"norm{stage}")(x)
            x = x.transpose(1, 2).unflatten(2, (H, W))  # b c h w
            maps.append(x)
        return maps
