"""What the tests of models share: images, counts, and weights far from their initial values."""

import torch
from torch import Tensor, nn

# Small tensors gain nothing from threads, which on a busy machine wait for one another: 4 times slower.
torch.set_num_threads(1)


def images(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw a tensor of standard normal values."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def count(model: nn.Module) -> int:
    """Return the number of a model's parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def perturb(model: nn.Module, seed: int = 0) -> nn.Module:
    """Move all weights and running statistics far from their initial values, so that no two layers are alike.

    Vectors only grow: variances must stay positive.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.add_(noise if tensor.ndim == 1 else 0.2 * (noise - 0.5))
    return model
