"""Files and tensors on their way out: bytes as a tensor, and digests by which equal bits can be told."""

import hashlib
import io
from collections.abc import Iterable
from typing import Any

import torch


def as_bytes(content: bytes) -> torch.Tensor:
    """The content of a file (n,), uint8."""
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def saved(state: Any) -> torch.Tensor:
    """What `torch.save` writes, as bytes (n,)."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return as_bytes(buffer.getvalue())


def digest(value: torch.Tensor) -> str:
    """SHA-256 of a tensor's values."""
    plain = value.detach().cpu().contiguous()
    return hashlib.sha256(plain.view(-1).view(torch.uint8).numpy().data).hexdigest()


def digests(values: Iterable[tuple[str, torch.Tensor]]) -> dict[str, str]:
    """The digest of each named tensor."""
    return {name: digest(value) for name, value in values}
