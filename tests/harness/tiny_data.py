"""Data sets of a few small images in the on-disk formats of the real ones."""

from pathlib import Path

import numpy as np
from PIL import Image

PET_NAMES = ("Abyssinian", "Bengal", "beagle", "pug", "Sphynx", "samoyed")


def write_pets(root: Path, *, trainval: int = 3, test: int = 2, size: tuple[int, int] = (40, 48)) -> Path:
    """Write `oxford-iiit-pet/` into `root`, images of `size` (height, width), and return `root`.

    A mask is a disc of label 1 with a ring of label 3 around it on label 2.
    """
    base = root / "oxford-iiit-pet"
    (base / "images").mkdir(parents=True)
    (base / "annotations" / "trimaps").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("trainval", trainval), ("test", test)):
        lines = []
        for index in range(count):
            name = f"{PET_NAMES[index % len(PET_NAMES)]}_{split}{index}"
            rows, columns = np.indices(size)
            distance = np.hypot(rows - size[0] / 2, columns - size[1] / (2 + index / 2))
            mask = np.select([distance < size[0] / 4, distance < size[0] / 3], [1, 3], default=2)
            image = mask[..., None] * 60 + rng.integers(0, 60, (*size, 3))
            Image.fromarray(image.astype(np.uint8)).save(base / "images" / f"{name}.jpg")
            Image.fromarray(mask.astype(np.uint8)).save(base / "annotations" / "trimaps" / f"{name}.png")
            lines.append(f"{name} {index + 1} {1 + index % 2} {index + 1}\n")
        (base / "annotations" / f"{split}.txt").write_text("".join(lines))
    return root


def write_streets(root: Path, *, train: int = 3, val: int = 2, size: tuple[int, int] = (32, 64)) -> Path:
    """Write `leftImg8bit/` and `gtFine/` into `root`, images of `size` (height, width), and return `root`.

    Masks are random train ids in blocks of 8 x 8 pixels, 255 among them. The red channel of an image holds
    its train ids, so that pairs can be checked.
    """
    rng = np.random.default_rng(1)
    labels = np.array([*range(19), 255], dtype=np.uint8)
    for split, count in (("train", train), ("val", val)):
        for index in range(count):
            city = ("zurich", "aachen")[index % 2]
            name = f"{city}_{index:06d}_000019"
            blocks = rng.choice(labels, (size[0] // 8, size[1] // 8))
            mask = blocks.repeat(8, axis=0).repeat(8, axis=1)
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            image[..., 0] = mask
            for picture, folder, suffix in (
                (image, "leftImg8bit", "leftImg8bit"),
                (mask, "gtFine", "gtFine_labelTrainIds"),
            ):
                path = root / folder / split / city / f"{name}_{suffix}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path)
    return root
