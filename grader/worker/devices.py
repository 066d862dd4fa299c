"""Has code that insists on a GPU run on the processor, where the handout that it answers left the device open.

A hand-in of the published handout may call `.cuda()` without asking. What it then does is the same on either device.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

MOVES = ("to", "cuda")


def fall_back() -> None:
    """From now on, what is to be moved to a GPU stays where it is; does nothing where there is one, or twice."""
    if torch.cuda.is_available() or getattr(torch, "_falls_back", False):
        return
    torch._falls_back = True  # type: ignore[attr-defined]
    for kind in (nn.Module, torch.Tensor):
        for name in MOVES:
            setattr(kind, name, _staying(getattr(kind, name), always=name == "cuda"))


def _staying(move: Callable[..., Any], *, always: bool) -> Callable[..., Any]:
    def moved(thing: Any, *positional: Any, **named: Any) -> Any:
        if always:
            return thing
        return move(thing, *map(_present, positional), **{name: _present(value) for name, value in named.items()})

    return moved


def _present(value: Any) -> Any:
    """The processor in place of a GPU; anything else as it is."""
    named = isinstance(value, str) and value.startswith("cuda")
    return "cpu" if named or (isinstance(value, torch.device) and value.type == "cuda") else value
