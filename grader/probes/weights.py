"""Strong, repeatable weights and gradients: the same seed gives the same in every worker."""

import io
import math
import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from grader.probes.digests import digests, saved
from grader.worker.answers import WrongAnswer


def perturb(module: nn.Module, seed: int) -> None:
    """Give every weight and running statistic a value of its own, far from its initialisation.

    At initialisation two layer norms are equal and biases are zero, so a network that mixes them up gives the right
    output. Each value is drawn by the tensor's name, in the spread that keeps activations near 1.
    """
    with torch.no_grad():
        for name, value in module.state_dict(keep_vars=True).items():
            if value.is_floating_point():
                value.copy_(draw(name, value.shape, seed))


def draw(name: str, shape: torch.Size, seed: int) -> torch.Tensor:
    """The value of one tensor, float32, by its name, its shape and the seed."""
    source = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{name}".encode()))
    noise = torch.randn(shape, generator=source, dtype=torch.float32)
    if name.endswith("running_var"):
        return 0.5 + noise.abs()
    if len(shape) > 1:
        return noise * 1.5 / math.sqrt(math.prod(shape[1:]))
    return 1 + 0.5 * noise if name.endswith("weight") else 0.5 * noise


def renewed(weights: torch.Tensor, seed: int) -> dict[str, Any]:
    """A weights file of the same form with other values, drawn from a seed; asked of the solution's worker.

    Args:
        weights: the bytes (k,) of a file that a submission's pre-training has written.
        seed: of the new values.

    Returns:
        `weights`: the bytes of the new file, `digests`: of each tensor in it.

    Raises:
        WrongAnswer: as `read_state` does.
    """
    state = read_state(weights)
    drawn = {
        name: draw(name, value.shape, seed).to(value.dtype) if value.is_floating_point() else value
        for name, value in state.items()
    }
    return {"weights": saved(drawn), "digests": digests(drawn.items())}


def read_state(weights: torch.Tensor) -> Mapping[str, torch.Tensor]:
    """The state dict in a file, which is given as bytes (k,).

    Raises:
        WrongAnswer: it cannot be read without running code that is in it, or holds no state dict.
    """
    try:
        state = state_of(torch.load(io.BytesIO(weights.numpy().tobytes()), map_location="cpu", weights_only=True))
    except Exception as error:  # noqa: BLE001 - whatever a strange file leads to
        raise WrongAnswer(f"The saved weights cannot be read: {type(error).__name__}: {error}"[:300]) from None
    if state is None:
        raise WrongAnswer("The saved file holds no state dict.")
    return state


def state_of(loaded: Any) -> Mapping[str, torch.Tensor] | None:
    """A loaded file as a state dict, None if it is none."""
    whole = isinstance(loaded, Mapping) and loaded and all(isinstance(value, torch.Tensor) for value in loaded.values())
    return loaded if whole else None


def without_dropout(module: nn.Module) -> None:
    """Set the probability of every dropout to 0 and take drop paths out, so that training mode is repeatable."""
    for child in module.modules():
        if isinstance(getattr(child, "drop_path", None), nn.Module):
            child.drop_path = nn.Identity()
        for attribute in ("p", "drop_prob"):
            if isinstance(getattr(child, attribute, None), float):
                setattr(child, attribute, 0.0)


def gradients(module: nn.Module, output: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """The gradient of a random weighted sum of the output, for each parameter; zeros where none arrives."""
    source = torch.Generator().manual_seed(seed)
    if not output.requires_grad:
        raise WrongAnswer("no gradient can flow back through the output: was it detached, or computed in no_grad?")
    # A gradient handed over would be compared with the output by torch's compiler, which is a second's import.
    torch.autograd.backward((output * torch.randn(output.shape, generator=source)).sum())
    return {
        name: torch.zeros_like(value) if value.grad is None else value.grad for name, value in module.named_parameters()
    }
