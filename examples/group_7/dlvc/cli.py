"""What the scripts share: their arguments, the data as they train on it, the device, and weights files."""

import argparse
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torchvision.transforms import v2

from .dataset.cityscapes import CityscapesCustom
from .dataset.oxfordpets import OxfordPetsCustom

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def training_parser(
    description: str, *, epochs: int | None = 30, batch_size: int | None = 64
) -> argparse.ArgumentParser:
    """Return a parser of the arguments that both training scripts have.

    The defaults are those of the handout. A script whose default depends on another argument gives None for
    `epochs` or `batch_size` and fills it in.
    """
    parser = argparse.ArgumentParser(description=description)
    add_data_arguments(parser)
    add = parser.add_argument
    add("--output", type=Path, default=Path("output"), help="folder for models and history.csv (%(default)s)")
    add("--epochs", type=_at_least(0), default=epochs, help="0 writes the model as initialised (30)")
    add("--batch-size", type=_at_least(1), default=batch_size, help="images in a step (64)")
    add("--lr", type=_positive, default=0.001, help="AdamW's learning rate (%(default)s)")
    add("--val-frequency", type=_at_least(1), default=2, help="epochs from validation to validation (2)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto takes CUDA where it is")
    add("--seed", type=int, default=0, help="the same seed on the same CPU trains the same model (0)")
    add("--num-workers", type=_at_least(0), default=0, help="processes that load images; 0 needs none (0)")
    return parser


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where the data are and at what size they are read."""
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the data (data)")
    parser.add_argument("--image-size", type=_at_least(1), default=64, help="height and width in pixels (64)")


def open_data(dataset: str, root: Path, image_size: int) -> tuple[OxfordPetsCustom | CityscapesCustom, ...]:
    """Return the training and the validation data of `oxford` or `city`.

    Their items are images (3, image_size, image_size), float32, and masks (1, image_size, image_size), int64
    with the labels as they are on disk. The test split of the pets serves for validation (Part 4).

    Raises:
        SystemExit: the data set is not in `root`.
    """
    transforms = {"transform": image_transform(image_size), "target_transform": mask_transform(image_size)}
    kind, splits = {
        "oxford": (OxfordPetsCustom, ("trainval", "test")),
        "city": (CityscapesCustom, ("train", "val")),
    }[dataset]
    try:
        train_data, val_data = (kind(root, split, **transforms) for split in splits)
    except FileNotFoundError as error:
        raise SystemExit(f"error: {error}") from None
    return train_data, val_data


def image_transform(size: int) -> v2.Transform:
    """Return what makes an RGB PIL image a tensor (3, size, size), normalised as ImageNet models expect.

    Nearest resizing picks pixels, so that doing it first, on bytes, changes nothing but the time it takes.
    """
    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize((size, size), v2.InterpolationMode.NEAREST),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )


def mask_transform(size: int) -> v2.Transform:
    """Return what makes a PIL mask a tensor (1, size, size) of int64; nearest resizing invents no labels."""
    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize((size, size), v2.InterpolationMode.NEAREST),
            v2.ToDtype(torch.long, scale=False),
        ]
    )


def choose_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`.

    Raises:
        SystemExit: `cuda` was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise SystemExit("error: --device cuda: PyTorch finds no CUDA GPU here; use --device cpu or auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict onto the CPU, without running code that its file may hold.

    Raises:
        SystemExit: the file cannot be read or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SystemExit(f"error: cannot read weights from '{path}': {error.strerror}") from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        raise SystemExit(f"error: '{path}' is no weights file that torch.save wrote") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SystemExit(f"error: '{path}' holds no state dict: save model.state_dict(), not the model")
    return state


@contextmanager
def mismatch_told(path: Path) -> Iterator[None]:
    """Turn a strict `load_state_dict`'s RuntimeError into a SystemExit that names the file and the keys."""
    try:
        yield
    except NotImplementedError:  # a RuntimeError too, but it is an open task of the starter
        raise
    except RuntimeError as error:
        lines = [_shortened(line.strip()) for line in str(error).splitlines()]
        raise SystemExit("\n    ".join([f"error: the weights in '{path}' do not fit:", *lines])) from None


def _shortened(line: str, limit: int = 300) -> str:
    """Return a line cut to `limit` characters: the first keys that do not fit say enough."""
    return line if len(line) <= limit else f"{line[:limit]}... ({len(line) - limit} characters more)"


def _at_least(minimum: int) -> Callable[[str], int]:
    """Return a converter for argparse that refuses whole numbers below `minimum`."""

    def integer(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is below {minimum}")
        return value

    return integer


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value
