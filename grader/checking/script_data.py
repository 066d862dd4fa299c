"""Data sets of a few images in the on-disk formats of the real ones, as bytes by path; they tell what is done to them.

A photograph has one colour: some red in `trainval`, some blue in `test`, no two alike. So the network's inputs tell
which picture they are, from which split, and how they were scaled; nobody knows the colours without reading the
files. A pet mask has stripes of labels 1 and 3, or label 2 alone: whatever lies between 1 and 3 in a striped mask was
invented by its resizing. Every street mask has all 19 labels and 255, in blocks.
"""

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PET_SIZE, STREET_SIZE = (40, 48), (64, 64)
PET_ROOT, STREET_ROOT = "tiny_pets", "tiny_streets"
STRIPE, BLOCK, CLASSES = 5, 8, 19
IGNORED = 255
# Of 64 blocks: the 19 classes once or twice, the rest is ignored.
LABELLED_BLOCKS = 2 * CLASSES
LABELLED_SHARE = LABELLED_BLOCKS / 64
# The label ids that the train ids 0 to 18 stand for; all others are ignored.
IDS = np.zeros(256, np.uint8)
IDS[:CLASSES] = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
RED, BLUE, SHADES = (205, 60, 50), (45, 80, 190), (10, 25)

Files = dict[str, Any]


def _encoded(pixels: NDArray[np.uint8], kind: str) -> NDArray[np.uint8]:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "jpeg" else {}
    Image.fromarray(pixels).save(buffer, kind, **options)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _text(lines: list[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join([*lines, ""]).encode(), np.uint8)


def pets(rng: np.random.Generator, trainval: int = 2, test: int = 2) -> Files:
    """An Oxford-IIIT Pet data set below `PET_ROOT`."""
    base, files = f"{PET_ROOT}/oxford-iiit-pet", Files()
    for split, count, colour in (("trainval", trainval, RED), ("test", test, BLUE)):
        lines = []
        for number in range(count):
            name = f"Bengal_{split}{number}"
            # Darker and lighter in turns: two of a split differ by more than JPEG and resizing change.
            shade = np.array(colour) + (-1) ** number * rng.integers(*SHADES, 3)
            image = np.clip(shade + rng.integers(-6, 7, (*PET_SIZE, 3)), 0, 255).astype(np.uint8)
            columns = np.indices(PET_SIZE)[1] + rng.integers(STRIPE)
            striped = np.where(columns // STRIPE % 2, 3, 1)
            mask = (striped if number % 2 == 0 else np.full(PET_SIZE, 2)).astype(np.uint8)
            files[f"{base}/images/{name}.jpg"] = _encoded(image, "jpeg")
            files[f"{base}/annotations/trimaps/{name}.png"] = _encoded(mask, "png")
            lines.append(f"{name} {number + 1} {1 + number % 2} {number + 1}")
        files[f"{base}/annotations/{split}.txt"] = _text(lines)
    return files


class Picture(NamedTuple):
    """What a network and its loss are to see of a pet: the mean of each channel (3,), 0..255, and labels from 0."""

    colour: NDArray[np.float64]
    labels: frozenset[int]


def pictures(files: Files, split: str) -> list[Picture]:
    """The pets of a split among files that were drawn here."""
    base, found = f"{PET_ROOT}/oxford-iiit-pet", []
    for path in sorted(path for path in files if path.startswith(f"{base}/images/") and f"_{split}" in path):
        name = path.rpartition("/")[2].removesuffix(".jpg")
        image, mask = _decoded(files[path]), _decoded(files[f"{base}/annotations/trimaps/{name}.png"])
        found.append(Picture(image.mean(axis=(0, 1)), frozenset(int(label) - 1 for label in np.unique(mask))))
    return found


def _decoded(content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image file that was made here."""
    return np.asarray(Image.open(io.BytesIO(content.tobytes())))


def streets(rng: np.random.Generator, train: int = 4, val: int = 2) -> Files:
    """A Cityscapes data set below `STREET_ROOT`."""
    files = Files()
    blocks = np.full(STREET_SIZE[0] * STREET_SIZE[1] // BLOCK**2, IGNORED)
    blocks[:LABELLED_BLOCKS] = np.arange(LABELLED_BLOCKS) % CLASSES
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            city = ("aachen", "zurich")[number % 2]
            name = f"{city}_{number:06d}_000019"
            small = rng.permutation(blocks).reshape(STREET_SIZE[0] // BLOCK, -1)
            mask = small.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1).astype(np.uint8)
            image = rng.integers(0, 256, (*STREET_SIZE, 3), dtype=np.uint8)
            files[f"{STREET_ROOT}/leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"] = _encoded(image, "png")
            target = f"{STREET_ROOT}/gtFine/{split}/{city}/{name}_gtFine_labelTrainIds.png"
            files[target] = _encoded(mask, "png")
            # The real data set has these beside it, for who asks for them.
            identity = IDS[mask]
            colour = np.stack([identity, identity, identity, np.full_like(identity, 255)], axis=-1)
            for kind, pixels in (("labelIds", identity), ("color", colour)):
                files[target.replace("labelTrainIds", kind)] = _encoded(pixels, "png")
    return files
