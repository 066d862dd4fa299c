"""The reference's SegFormer against an independent implementation, the one in transformers."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from reference.dlvc.models.segformer import SegFormer
from tests.harness.peers import TransformersSegFormer
from tests.harness.tensors import count, images, perturb

CLASSES = 5
WITH_WEIGHTS = (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.BatchNorm2d)


def layers_as_run(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Name the layers with weights in the order in which a forward pass runs them."""
    run: list[tuple[str, nn.Module]] = []
    hooks = [
        layer.register_forward_hook(lambda *_, named=(name, layer): run.append(named))
        for name, layer in model.named_modules()
        if isinstance(layer, WITH_WEIGHTS)
    ]
    with torch.no_grad():
        model(images(1, 3, 32, 32, dtype=torch.float64))
    for hook in hooks:
        hook.remove()
    return run


def pairs(ours: nn.Module, peer: nn.Module) -> Iterator[tuple[str, nn.Module, list[nn.Module]]]:
    """Pair layers by the order of execution: the peer's names change with its releases.

    Our `kv` is two layers there, for keys and for values.
    """
    run = layers_as_run(ours)
    weighted = [name for name, layer in ours.named_modules() if isinstance(layer, WITH_WEIGHTS)]
    assert sorted(name for name, _ in run) == sorted(weighted), "each layer is to run once"
    peers = iter(layers_as_run(peer))
    for name, layer in run:
        yield name, layer, [next(peers)[1] for _ in range(2 if name.endswith(".kv") else 1)]
    assert next(peers, None) is None


def parameters_in_pairs(ours: nn.Module, peer: nn.Module) -> Iterator[tuple[str, Tensor, list[Tensor]]]:
    """Pair the parameters that both models have; where the peer has two, they make ours when put together."""
    for name, layer, others in pairs(ours, peer):
        for key in ("weight", "bias"):
            if getattr(others[0], key) is not None:
                yield f"{name}.{key}", getattr(layer, key), [getattr(other, key) for other in others]


@pytest.fixture(scope="module")
def twins() -> tuple[nn.Module, nn.Module]:
    """Our SegFormer, perturbed, and the peer's with the same weights; both in float64 and evaluation mode."""
    peer = TransformersSegFormer(CLASSES).double().eval()
    ours = perturb(SegFormer(CLASSES)).double().eval()
    with torch.no_grad():
        for _, parameter, others in parameters_in_pairs(ours, peer):
            for other, part in zip(others, parameter.chunk(len(others)), strict=True):
                other.copy_(part)
        for name, layer, (other, *_) in pairs(ours, peer):
            if isinstance(other, nn.LayerNorm):
                other.eps = layer.eps
            if name == "decoder.linear_fuse_norm":
                # The peer's linear_fuse has no bias; a batch norm in evaluation mode can take it over.
                other.running_mean.copy_(layer.running_mean - ours.decoder.linear_fuse.bias)
                other.running_var.copy_(layer.running_var)
    return ours, peer


@pytest.mark.parametrize("size", [(64, 64), (32, 48), (80, 33), (47, 61)])
def test_logits_equal_those_of_transformers(twins, size):
    """With the same strongly perturbed weights, the logits equal those of an independent SegFormer."""
    ours, peer = twins
    x = images(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        found, expected = ours(x), peer(x)
    assert expected.std() > 0.1
    # float64 leaves differences of 1e-12; 1e-6 leaves room for a peer that computes its softmax in float32.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_gradients_equal_those_of_transformers(twins):
    """The gradients of a loss of the logits equal those of an independent SegFormer, for every weight."""
    ours, peer = twins
    x = images(2, 3, 40, 32, dtype=torch.float64)
    for model, logits in ((ours, ours(x)), (peer, peer(x))):
        model.zero_grad()
        logits.square().mean().backward()
    compared = 0
    for name, parameter, others in parameters_in_pairs(ours, peer):
        expected = torch.cat([other.grad for other in others])
        scale = expected.abs().max().item()
        assert scale > 0, name
        torch.testing.assert_close(
            parameter.grad,
            expected,
            rtol=0,
            atol=1e-6 * scale,  # as for the logits, relative to the largest gradient
            msg=lambda text, name=name: f"{name}: {text}",
        )
        compared += parameter.numel()
    assert compared == count(ours) - ours.decoder.linear_fuse.bias.numel()


def test_float32_logits_are_close_to_float64(twins):
    """In float32, as the model is used, the logits stay within 1e-4 of the largest."""
    ours, peer = twins
    single = SegFormer(CLASSES).eval()
    single.load_state_dict(ours.state_dict())
    x = images(2, 3, 64, 64)
    with torch.no_grad():
        expected = peer(x.double())
        error = (single(x) - expected).abs().max()
    assert error < 1e-4 * expected.abs().max()
