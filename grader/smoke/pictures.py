"""The pictures of smoke trainings: look-alike pets as files for a script, and as arrays whose labels are ours alone."""

import functools
import io
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grader.checking.script_data import PET_ROOT
from grader.lookalikes.canvas import Picture
from grader.lookalikes.figures import BREEDS
from grader.lookalikes.making import Counts, draw, encoded, pets_list, tasks
from grader.lookalikes.pets import draw_pet

UNSEEN = 80
SIZE: Final = 64
CLASSES: Final = ("pet", "background", "border")

Pixels = NDArray[np.uint8]


class Labelled(NamedTuple):
    """Images (n, 64, 64, 3) and their classes (n, 64, 64), counted from 0."""

    images: Pixels
    classes: Pixels


@functools.cache
def training_files(trainval: int, val: int) -> dict[str, Pixels]:
    """The data set that a script reads, as bytes by path: those of `python -m grader data` with seed 0."""
    files = {}
    for task, picture in zip(tasks(Counts(trainval, val, 0, 0)), _drawn(trainval, val), strict=True):
        for name, pixels in ((task.image, picture.image), (task.mask, picture.labels)):
            files[f"{PET_ROOT}/{name}"] = _bytes(encoded(pixels, name))
    for split, count in (("trainval", trainval), ("test", val)):
        files[f"{PET_ROOT}/oxford-iiit-pet/annotations/{split}.txt"] = _bytes(pets_list(split, count).encode())
    return files


@functools.cache
def validation(trainval: int, val: int) -> Labelled:
    """The pictures of the split that a script validates on, as its network is given them."""
    return labelled(_drawn(trainval, val)[trainval:])


def draw_unseen(rng: np.random.Generator) -> Labelled:
    """Pictures that no training has seen."""
    return labelled([draw_pet(rng, BREEDS[number % len(BREEDS)]) for number in range(UNSEEN)])


def labelled(pictures: list[Picture]) -> Labelled:
    """Pictures as a network is given them: through JPEG, and resized as the scripts resize, by the nearest pixel."""
    images = [_resized(_through_jpeg(picture.image)) for picture in pictures]
    return Labelled(np.stack(images), np.stack([_resized(picture.labels) for picture in pictures]) - 1)


@functools.cache
def _drawn(trainval: int, val: int) -> list[Picture]:
    return [draw(0, task) for task in tasks(Counts(trainval, val, 0, 0))]


def _through_jpeg(pixels: Pixels) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(encoded(pixels, ".jpg"))).convert("RGB"))


def _resized(pixels: Pixels) -> Pixels:
    """Pick, like torch, the pixel at the floor of each scaled index."""
    rows, columns = (np.arange(SIZE) * length // SIZE for length in pixels.shape[:2])
    return pixels[np.ix_(rows, columns)]


def _bytes(content: bytes) -> Pixels:
    return np.frombuffer(content, np.uint8)
