"""The reference's SegFormer and its parts against the contract of Part 5."""

import pickle
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reference.dlvc.models.mit_transformer import (
    Attention,
    Block,
    DropPath,
    MixVisionTransformer,
    Mlp,
    OverlapPatchEmbed,
)
from reference.dlvc.models.segformer import SegFormer
from reference.dlvc.models.segformer_head import SegFormerHead
from reference.dlvc.models.segment_model import DeepSegmenter
from tests.harness.handin import REFERENCE, on_path
from tests.harness.tensors import count, images, perturb

DEPTHS = (2, 2, 2, 2)
DIMS = (32, 64, 160, 256)
REDUCTIONS = (8, 4, 2, 1)


def test_parameter_counts():
    """The numbers of parameters are those of the contract."""
    assert count(SegFormer(3)) == 3_712_867
    assert count(SegFormer(19)) == 3_716_979
    assert count(SegFormer(3).encoder) == 3_317_088


def contract_keys() -> set[str]:
    """Build the state-dict keys that the contract lists."""
    layers = [f"decoder.linear_c{i}.proj" for i in (1, 2, 3, 4)]
    layers += [f"decoder.{name}" for name in ("linear_fuse", "linear_fuse_norm", "linear_pred")]
    parts = ["norm1", "attn.q", "attn.kv", "attn.proj", "norm2", "mlp.fc1", "mlp.dwconv.dwconv", "mlp.fc2"]
    for stage, (depth, reduction) in enumerate(zip(DEPTHS, REDUCTIONS, strict=True), start=1):
        layers += [f"encoder.patch_embed{stage}.{part}" for part in ("proj", "norm")]
        layers.append(f"encoder.norm{stage}")
        reducing = ["attn.sr", "attn.norm"] if reduction > 1 else []
        layers += [f"encoder.block{stage}.{i}.{part}" for i in range(depth) for part in parts + reducing]
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    keys = {f"{layer}.{tensor}" for layer in layers for tensor in ("weight", "bias")}
    return keys | {f"decoder.linear_fuse_norm.{name}" for name in statistics}


def test_state_dict_keys():
    """The state dict has exactly the keys of the contract, so that weights of other solutions load."""
    assert set(SegFormer(3).state_dict()) == contract_keys()


def test_layer_norm_epsilons():
    """Blocks and stages use 1e-6; patch embeddings and reductions PyTorch's default, as the authors do."""
    norms = {n: m for n, m in SegFormer(3).named_modules() if isinstance(m, nn.LayerNorm)}
    default = {name for name in norms if "patch_embed" in name or ".attn." in name}
    assert {norms[name].eps for name in default} == {1e-5}
    assert {norms[name].eps for name in norms.keys() - default} == {1e-6}


def test_weight_initialisation():
    """Encoder weights start as the authors': linear ones with 0.02, convolutions by fan-out, norms at 1."""
    torch.manual_seed(0)
    encoder = MixVisionTransformer()
    for layer in encoder.modules():
        if not isinstance(layer, (nn.Linear, nn.Conv2d, nn.LayerNorm)):
            continue
        assert layer.bias.eq(0).all()
        if isinstance(layer, nn.LayerNorm):
            assert layer.weight.eq(1).all()
            continue
        expected = 0.02
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.weight[0, 0].numel() * layer.out_channels / layer.groups
            expected = (2 / fan_out) ** 0.5
        # The smallest layer has 1,024 weights: 10 % are more than 4 standard deviations of the estimate.
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)


def test_drop_path_grows_linearly_with_depth():
    """Blocks drop their branches with probabilities from 0 to 0.1, and the decoder its channels with 0.1."""
    net = SegFormer(3)
    found = [m.p for m in net.encoder.modules() if isinstance(m, DropPath)]
    assert found == pytest.approx([0.1 * i / 7 for i in range(8)], abs=1e-7)  # from float32
    assert isinstance(net.decoder.dropout, nn.Dropout2d)
    assert net.decoder.dropout.p == 0.1


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.0, False), (0.7, False), (1.0, False)])
def test_drop_path_is_the_identity(p, training):
    """DropPath gives back its input in evaluation and with p = 0."""
    x = images(4, 3, 2)
    assert DropPath(p).train(training)(x) is x


def test_drop_path_drops_whole_samples():
    """In training a sample is dropped whole with probability p, or else scaled by 1 / (1 - p)."""
    torch.manual_seed(0)
    x = images(2000, 3, 2)
    found = DropPath(0.25)(x)
    dropped = found.eq(0).all(dim=(1, 2))
    torch.testing.assert_close(found[~dropped], x[~dropped] / 0.75)
    assert 0.2 < dropped.double().mean() < 0.3  # five standard deviations around 0.25
    assert DropPath(1.0)(x).eq(0).all()


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_drop_path_wants_a_probability(p):
    """DropPath refuses what is not a probability and says what it found."""
    with pytest.raises(ValueError, match=f"found {p}"):
        DropPath(p)


def test_qk_scale_replaces_the_default():
    """With qk_scale = 0 all tokens weigh alike; with 1 / sqrt(head dimension) attention is the default."""
    x = images(2, 12, 8)
    default, flat, same = (Attention(8, 2, qk_scale=scale) for scale in (None, 0.0, 0.5))
    perturb(default)
    for other in (flat, same):
        other.load_state_dict(default.state_dict())
    torch.testing.assert_close(same(x, 3, 4), default(x, 3, 4))
    found = flat(x, 3, 4)
    torch.testing.assert_close(found, found[:, :1].expand_as(found))


def test_dropout_rates_are_honoured():
    """With a rate of 1 vanish the attention weights, the hidden layer, and the outputs of both branches."""
    x = images(2, 12, 8)
    weights_dropped = perturb(Attention(8, 2, attn_drop=1.0))
    torch.testing.assert_close(weights_dropped(x, 3, 4), weights_dropped.proj.bias.expand_as(x))
    assert perturb(Attention(8, 2, proj_drop=1.0))(x, 3, 4).eq(0).all()
    assert perturb(Mlp(8, 16, drop=1.0))(x, 3, 4).eq(0).all()
    torch.testing.assert_close(perturb(Block(8, 2, drop=1.0))(x, 3, 4), x)
    torch.testing.assert_close(perturb(Block(8, 2, drop_path=1.0))(x, 3, 4), x)


def test_attention_wants_whole_heads():
    """Attention refuses a dimension that its heads do not divide."""
    with pytest.raises(ValueError, match="multiple of the 3 heads, found 8"):
        Attention(8, 3)


@settings(max_examples=60, deadline=None)  # a slow machine is no failure
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    patch=st.integers(1, 9),
    stride=st.integers(1, 6),
)
def test_patch_embedding_tells_its_token_counts(height, width, patch, stride):
    """H, W and num_patches are the rows, columns and tokens that forward gives for an image of img_size."""
    embed = OverlapPatchEmbed((height, width), patch, stride, in_chans=1, embed_dim=2)
    tokens, *rows_and_columns = embed(torch.zeros(1, 1, height, width))
    assert rows_and_columns == [embed.H, embed.W]
    assert tokens.shape == (1, embed.num_patches, 2)


def test_patch_embedding_defaults_and_pairs():
    """One number means a square, and pairs of image and patch sizes are taken too."""
    assert (OverlapPatchEmbed().H, OverlapPatchEmbed().num_patches) == (56, 56 * 56)
    embed = OverlapPatchEmbed((20, 30), (3, 5), 2, 3, 4)
    tokens, *rows_and_columns = embed(images(1, 3, 20, 30))
    assert [embed.H, embed.W] == rows_and_columns == [10, 15]
    assert tokens.shape == (1, 150, 4)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (15, 15)])
def test_encoder_gives_four_maps(size):
    """The encoder gives a map a stage, of the size that its patch embedding tells for such images."""
    encoder = MixVisionTransformer(size).eval()
    with torch.no_grad():
        shapes = [tuple(found.shape) for found in encoder(images(2, 3, *size))]
    embeds = [getattr(encoder, f"patch_embed{stage}") for stage in (1, 2, 3, 4)]
    assert shapes == [(2, c, embed.H, embed.W) for c, embed in zip(DIMS, embeds, strict=True)]
    assert all(coarse[2] == -(-fine[2] // 2) for fine, coarse in pairwise(shapes))


def head(**changes: object) -> SegFormerHead:
    """Make a small head with some settings changed."""
    settings_ = {
        "feature_strides": (2, 4, 8, 16),
        "in_channels": DIMS,
        "in_index": (0, 1, 2, 3),
        "decoder_params": {"embed_dim": 16},
        "num_classes": 4,
    }
    return SegFormerHead(**(settings_ | changes)).eval()


def test_head_picks_its_levels_by_index():
    """in_index says which of the encoder's maps is which level."""
    maps = [images(1, c, 16 // 2**i, 8 // 2**i) for i, c in enumerate(DIMS)]
    plain, picky = head(), head(in_index=(4, 2, 1, 0))
    picky.load_state_dict(plain.state_dict())
    c1, c2, c3, c4 = maps
    expected = plain(maps)
    assert expected.shape == (1, 4, 16, 8)
    torch.testing.assert_close(picky([c4, c3, c2, torch.zeros(1), c1]), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": (8, 8)}, r"expected 4 of each, found \(4, 2, 4\)"),
        ({"feature_strides": (16, 8, 4, 2)}, r"finest first, found \[16, 8, 4, 2\]"),
    ],
)
def test_head_refuses_levels_that_do_not_fit(changes, message):
    """The head says which of its levels' settings is wrong."""
    with pytest.raises(ValueError, match=message):
        head(**changes)


def test_dlvc_stands_alone():
    """With the reference folder on the path the same model is dlvc.models.segformer."""
    with on_path(REFERENCE) as import_module:
        module = import_module("dlvc.models.segformer")
    assert module.SegFormer is not SegFormer
    assert count(module.SegFormer(3)) == count(SegFormer(3))


class Tiny(nn.Module):
    """A network that is quick to save."""

    def __init__(self, classes: int = 3):
        super().__init__()
        self.encoder = nn.Linear(2, 4)
        self.decoder = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (n, classes) of points x (n, 2)."""
        return self.decoder(self.encoder(x))


@pytest.mark.parametrize(
    ("suffix", "name"), [(None, "Tiny_model.pth"), ("best", "Tiny_model_best.pth"), ("", "Tiny_model.pth")]
)
def test_segmenter_round_trip(tmp_path, suffix, name):
    """What one segmenter saves, in a folder that it makes, another loads; the file holds the bare net."""
    saved, loaded = DeepSegmenter(Tiny()), DeepSegmenter(Tiny())
    saved.save(tmp_path / "new" / "folder", suffix)
    path = tmp_path / "new" / "folder" / name
    assert torch.load(path, weights_only=True).keys() == Tiny().state_dict().keys()
    loaded.load(path)
    x = images(5, 2)
    torch.testing.assert_close(loaded(x), saved.net(x), rtol=0, atol=0)


def renamed() -> dict[str, Tensor]:
    """Return weights that were saved with their wrapper."""
    return {f"net.{key}": value for key, value in Tiny().state_dict().items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            Tiny(5).state_dict(),
            r"another shape: decoder.weight \(expected \(3, 4\), found \(5, 4\)\), decoder",
        ),
        (Tiny().encoder.state_dict(), r"missing: encoder.weight, .* and 1 more; unexpected: weight, bias"),
        (renamed(), r"missing: encoder.*unexpected: net.encoder.weight"),
        ({}, "missing: encoder.weight"),
        ({**Tiny().state_dict(), "decoder.bias": 3}, r"decoder.bias \(expected \(3,\), found \(\)\)"),
        (torch.zeros(3), "expected a state dict, found Tensor"),
    ],
)
def test_segmenter_refuses_other_weights(tmp_path, content, message):
    """Weights of another network are refused whole: the error names file, network and keys."""
    path = tmp_path / "other.pth"
    torch.save(content, path)
    segmenter = DeepSegmenter(Tiny())
    before = {key: value.clone() for key, value in segmenter.state_dict().items()}
    with pytest.raises(ValueError, match=rf"other.pth.* weights of this Tiny: .*{message}"):
        segmenter.load(path)
    assert all(value.equal(before[key]) for key, value in segmenter.state_dict().items())


def test_segmenter_runs_no_code_of_a_file(tmp_path):
    """A file that holds more than tensors is not unpickled."""
    path = tmp_path / "module.pth"
    torch.save(Tiny(), path)
    with pytest.raises(pickle.UnpicklingError):
        DeepSegmenter(Tiny()).load(path)
    with pytest.raises(FileNotFoundError):
        DeepSegmenter(Tiny()).load(tmp_path / "nothing.pth")
