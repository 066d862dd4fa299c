"""A segmentation network together with the files that hold its weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn


class DeepSegmenter(nn.Module):
    """Wrap a network as `net`; its weights are saved under the name of its class."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of images x (b, 3, h, w)."""
        return self.net(x)

    def save(self, save_dir: Path | str, suffix: str | None = None) -> None:
        """Write the bare network's state dict to `<class of net>_model[_<suffix>].pth` in `save_dir`.

        The folder is made where it is missing, and a file of that name is replaced.
        """
        folder = Path(save_dir)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{type(self.net).__name__}_model" + (f"_{suffix}" if suffix else "")
        torch.save(self.net.state_dict(), folder / f"{name}.pth")

    def load(self, path: Path | str) -> None:
        """Load the state dict in a file into the network; on an error the network keeps its weights.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file's keys or shapes are not those of the network.
        """
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        problems = _mismatches(expected=self.net.state_dict(), found=loaded)
        if problems:
            net = type(self.net).__name__
            raise ValueError(f"{path}: these are no weights of this {net}: " + "; ".join(problems))
        self.net.load_state_dict(loaded)


def _mismatches(expected: Mapping[str, torch.Tensor], found: object) -> list[str]:
    """Say how what was found differs from the expected state dict in keys and shapes."""
    if not isinstance(found, Mapping):
        return [f"expected a state dict, found {type(found).__name__}"]
    shapes = {key: tuple(getattr(value, "shape", ())) for key, value in found.items()}
    reshaped = [
        f"{key} (expected {tuple(value.shape)}, found {shapes[key]})"
        for key, value in expected.items()
        if key in shapes and shapes[key] != value.shape
    ]
    kinds = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": reshaped,
    }
    return [f"{kind}: {_some(items)}" for kind, items in kinds.items() if items]


def _some(items: Sequence[str], at_most: int = 3) -> str:
    """Name the first few items and the number of the others."""
    more = len(items) - at_most
    return ", ".join(items[:at_most]) + (f" and {more} more" if more > 0 else "")
