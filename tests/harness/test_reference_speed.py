"""What the reference computes in another order than it is written, for speed, gives what the plain form gives."""

import pytest
import torch
from torch import Tensor, nn

from reference.dlvc.metrics import SegMetrics
from reference.dlvc.models.fused_head import FusedHead
from reference.dlvc.models.mit_transformer import Attention, MixVisionTransformer
from reference.dlvc.models.segformer import SegFormer
from reference.dlvc.models.segformer_head import SegFormerHead
from tests.harness.tensors import images, perturb

CHANNELS = (4, 6, 8, 10)
# The two forms differ by rounding alone, and float64 leaves 1e-13 of it in numbers near 1.
ROUNDING = {"rtol": 1e-9, "atol": 1e-9}


def heads(*, training: bool, in_index: tuple[int, ...] = (0, 1, 2, 3)) -> tuple[FusedHead, SegFormerHead]:
    """Make both decoders with the same strong weights, in float64."""
    fused, plain = (
        kind((2, 4, 8, 16), CHANNELS, in_index, {"embed_dim": 12}, num_classes=3).double().train(training)
        for kind in (FusedHead, SegFormerHead)
    )
    plain.load_state_dict(perturb(fused).state_dict())
    return fused, plain


def levels(height: int, width: int) -> list[Tensor]:
    """Draw the maps of an image whose finest map has this size."""
    sizes = [(-(-height // 2**level), -(-width // 2**level)) for level in range(4)]
    drawn = [images(2, c, *size, seed=c, dtype=torch.float64) for c, size in zip(CHANNELS, sizes, strict=True)]
    return [level.requires_grad_() for level in drawn]


def outcome(head: SegFormerHead, maps: list[Tensor]) -> dict[str, Tensor]:
    """Return a decoder's scores, the gradients of all that goes into them, and the running statistics."""
    torch.manual_seed(3)  # the same channels are dropped
    scores = head(maps)
    inputs = {f"c{number}": level for number, level in enumerate(maps, start=1)} | dict(head.named_parameters())
    gradients = torch.autograd.grad((scores * images(*scores.shape, dtype=torch.float64)).sum(), list(inputs.values()))
    return {"scores": scores.detach(), **dict(zip(inputs, gradients, strict=True)), **dict(head.named_buffers())}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(16, 16), (8, 24), (13, 7), (2, 1)])
def test_fused_head_is_the_plain_head(size, training):
    """Scores, all gradients and the running statistics are those of the plain decoder, in either mode."""
    fused, plain = heads(training=training)
    maps = levels(*size)
    found, expected = outcome(fused, maps), outcome(plain, maps)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **ROUNDING, msg=lambda text, name=name: f"{name}: {text}")


def test_fused_head_picks_its_levels_by_index():
    """in_index says which of the encoder's maps is which level, as in the plain decoder."""
    fused, plain = heads(training=False, in_index=(4, 2, 1, 0))
    c1, c2, c3, c4 = levels(8, 8)
    maps = [c4, c3, c2, torch.zeros(1), c1]
    torch.testing.assert_close(fused(maps), plain(maps), **ROUNDING)


def test_fused_head_spares_the_large_product():
    """The layer that fuses all levels sees unit vectors and a zero, not the positions of the finest map."""
    fused, _ = heads(training=False)
    seen = []
    fused.linear_fuse.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    fused(levels(64, 64))
    assert seen == [(1, 4 * 12, 1, sum(CHANNELS) + 1)]


@pytest.mark.parametrize("training", [False, True])
def test_single_precision_is_kept(training):
    """In float32, with the initial weights, the network's scores stay within 1e-5 of the largest score."""
    scores = []
    for kind in (FusedHead, SegFormerHead):
        torch.manual_seed(0)
        net = SegFormer(3, kind).train(training)
        with torch.no_grad():
            scores.append(net(images(4, 3, 64, 64)))
    found, expected = scores
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_large_batches_are_evaluated_in_parts():
    """In evaluation the scores of many images are those of each by itself, and their gradients arrive."""
    net = perturb(SegFormer(2)).eval()
    seen = []
    net.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    x = images(5, 3, 128, 256).requires_grad_()
    scores = net(x)
    assert seen == [2, 2, 1]
    with torch.no_grad():
        alone = torch.cat([net(image[None]) for image in x])
    # float32, summed in another order for another number of images
    assert (scores - alone).abs().max() <= 1e-5 * alone.abs().max()
    scores.sum().backward()
    assert x.grad.abs().amax(dim=(1, 2, 3)).gt(0).all()


@pytest.mark.parametrize(("reduction", "size"), [(1, (4, 4)), (2, (6, 10)), (8, (40, 32))])
def test_attention_is_the_formula(reduction, size):
    """Attention is softmax(q k^T / sqrt(d)) v of each head, written out, and so are its gradients."""
    attention = perturb(Attention(12, 3, qkv_bias=True, sr_ratio=reduction)).double()
    x = images(2, size[0] * size[1], 12, dtype=torch.float64).requires_grad_()
    reduced = x
    if reduction > 1:
        small = attention.sr(x.transpose(1, 2).reshape(2, 12, *size))
        reduced = attention.norm(small.flatten(2).transpose(1, 2))
    q, k, v = (
        tokens.reshape(2, -1, 3, 4).transpose(1, 2)
        for tokens in (attention.q(x), *attention.kv(reduced).chunk(2, dim=2))
    )
    attended = (q @ k.transpose(2, 3) / 2).softmax(dim=-1) @ v
    expected = attention.proj(attended.transpose(1, 2).reshape(x.shape))
    found = attention(x, *size)
    torch.testing.assert_close(found, expected, **ROUNDING)
    gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, **ROUNDING)


def test_maps_keep_their_channels_together():
    """The encoder's maps have the channels of a pixel side by side, so that no layer moved them apart."""
    with torch.no_grad():
        maps = MixVisionTransformer().eval()(images(2, 3, 32, 48))
    assert all(level.is_contiguous(memory_format=torch.channels_last) for level in maps)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 2, 400, 400), (2, 5, 3, 7), (5, 255, 2, 3), (1, 1, 2, 2)])
def test_counts_are_those_of_argmax(shape, memory_format):
    """Confusion counts are those of argmax pixel by pixel, also for ties, many classes and either layout in memory."""
    # Whole numbers, so that several classes often share the highest score.
    scores = (3 * images(*shape)).round().contiguous(memory_format=memory_format)
    b, c, h, w = shape
    labels = torch.randint(c, (b, h, w), generator=torch.Generator().manual_seed(0))
    labels[0, 0] = 255
    metric = SegMetrics(c)
    metric.update(scores, labels)
    counted = labels != 255
    pairs = c * labels[counted] + scores.argmax(dim=1)[counted]
    assert metric.confusion.equal(pairs.bincount(minlength=c * c).reshape(c, c))
    assert nn.functional.one_hot(labels[counted], c).sum(dim=0).equal(metric.confusion.sum(dim=1))
