"""The unseen images of a smoke training as arrays: decoded, compared, and ready to be drawn.

The grader wrote these images itself, but a gradesheet may have lain in a file since then. So nothing is decoded before
its format and size are known, and a damaged sample is left out rather than losing the whole report.
"""

import base64
import io
import struct
import warnings
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grader.records import Sample

MOST_CHARACTERS: Final = 4_000_000  # of an image in Base64
LONGEST_SIDE: Final = 2_048
IGNORED: Final = 255  # the label of pixels that take no part in the metric
FADED: Final = 0.7  # how much of the way to white an image goes behind the wrong pixels
WRONG: Final = "#B3005E"  # dark and saturated, so that every reader can tell it from a faded grey
# What Pillow raises over damaged files, by experience: its decoders promise none of it.
DAMAGED: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError, struct.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)

Pixels = NDArray[np.uint8]


class Shown(NamedTuple):
    """A sample: image (h, w, 3) in 0..255, true and predicted classes (h, w), and its mIoU."""

    image: Pixels
    truth: Pixels
    predicted: Pixels
    miou: float


def read_sample(sample: Sample, classes: int) -> Shown | None:
    """Decode a sample; None if it is damaged or holds other classes than 0..`classes` - 1 and 255 in its truth."""
    try:
        image = _decoded(sample.image, "JPEG", "RGB")
        truth, predicted = (_decoded(text, "PNG", "L") for text in (sample.truth, sample.predicted))
    except DAMAGED:
        return None
    fits = image.shape[:2] == truth.shape == predicted.shape
    if not fits or ((truth >= classes) & (truth != IGNORED)).any() or (predicted >= classes).any():
        return None
    return Shown(image, truth, predicted, sample.miou)


def _decoded(text: str, form: str, mode: str) -> Pixels:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"an image of {len(text):,} characters")
    file = io.BytesIO(base64.b64decode(text, validate=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(file, formats=(form,)) as image:
            if max(image.size) > LONGEST_SIDE or image.mode != mode:
                raise ValueError(f"an image of {image.size} pixels in mode {image.mode}")
            return np.asarray(image)


def wrong_pixels(shown: Shown) -> NDArray[np.bool_]:
    """Return where (h, w) the prediction differs from the truth, leaving out what the metric ignores."""
    wrong: NDArray[np.bool_] = (shown.predicted != shown.truth) & (shown.truth != IGNORED)
    return wrong


def marked(shown: Shown) -> Pixels:
    """Return the image (h, w, 3), grey and faded, with every wrong pixel in the colour `WRONG`."""
    grey = shown.image.mean(axis=2, keepdims=True)
    faded = np.repeat(grey + FADED * (255 - grey), 3, axis=2).astype(np.uint8)
    faded[wrong_pixels(shown)] = rgb(WRONG)
    return faded


def coloured(labels: Pixels, colors: tuple[str, ...]) -> Pixels:
    """Return labels (h, w) as an image (h, w, 3) in the colours of their classes; what is ignored is grey."""
    table = np.full((256, 3), 0x99, np.uint8)
    table[: len(colors)] = [rgb(color) for color in colors]
    painted: Pixels = table[labels]
    return painted


def rgb(color: str) -> tuple[int, int, int]:
    """Return a colour `#RRGGBB` as three numbers in 0..255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
