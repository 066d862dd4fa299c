"""Digests of tensors, so that equal bits can be told without sending them."""

import hashlib
from collections.abc import Iterable

import torch


def digest(value: torch.Tensor) -> str:
    """SHA-256 of a tensor's values."""
    plain = value.detach().cpu().contiguous()
    return hashlib.sha256(plain.view(-1).view(torch.uint8).numpy().data).hexdigest()


def digests(values: Iterable[tuple[str, torch.Tensor]]) -> dict[str, str]:
    """The digest of each named tensor."""
    return {name: digest(value) for name, value in values}
