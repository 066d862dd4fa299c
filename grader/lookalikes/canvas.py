"""A picture and its labels, painted together from the back to the front."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from grader.lookalikes.textures import Floats, Pattern, Shape, colour, dress, noise

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


class Picture(NamedTuple):
    """An image (h, w, 3) and its labels (h, w)."""

    image: NDArray[np.uint8]
    labels: Labels


class Canvas:
    """An image (h, w, 3) of float32 in 0..1 and its labels (h, w); what is painted hides what was there.

    Args:
        rng: where all that is drawn by chance comes from.
        shape: height and width in pixels.
        label: the label of a pixel that nothing was painted on.
    """

    def __init__(self, rng: np.random.Generator, shape: Shape, label: int) -> None:
        self.rng = rng
        self.shape = shape
        self.image: Floats = np.zeros((*shape, 3), np.float32)
        self.labels: Labels = np.full(shape, label, np.uint8)

    def paint(
        self,
        mask: Mask,
        pattern: Pattern,
        size: float,
        label: int,
        base: Floats | None = None,
        *,
        contrast: float | None = None,
        round_by: float = 0,
    ) -> None:
        """Paint a pattern with details of `size` pixels where the mask (h, w) is set.

        Args:
            mask: what is to be painted; nothing happens where it is empty.
            pattern: one of `textures`.
            size: as the pattern takes it.
            label: what the painted pixels become in `labels`.
            base: the middle colour (3,); drawn if not given.
            contrast: as `dress` takes it.
            round_by: pixels over which the rim darkens, as of something round; 0 leaves it flat.
        """
        box = _bounds(mask)
        if box is None:
            return
        part = mask[box]
        surface = dress(self.rng, pattern(self.rng, part.shape, size), _base(self.rng, base), contrast)
        if round_by:
            surface = surface * rim_shade(part, round_by)[..., None]
        self.image[box] = np.where(part[..., None], surface, self.image[box])
        self.labels[box][part] = label

    def photograph(self) -> NDArray[np.uint8]:
        """Return the image (h, w, 3) as a camera gives it: uneven light, a colour cast, blur and noise."""
        rng = self.rng
        light = 1 + 0.12 * noise(rng, self.shape, max(self.shape) / 2)
        seen = np.clip(self.image * light[..., None], 0, 1) ** np.float32(rng.uniform(0.8, 1.25))
        seen = seen * rng.normal(1, 0.04, 3).astype(np.float32) * np.float32(rng.uniform(0.85, 1.15))
        seen = seen + rng.normal(0, rng.uniform(0.005, 0.03), (*self.shape, 1)).astype(np.float32)
        picture = Image.fromarray((np.clip(seen, 0, 1) * 255).astype(np.uint8))
        return np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6))))


def rim_shade(mask: Mask, width: float) -> Floats:
    """Return factors (h, w): 1 inside the mask, down to 0.65 at its rim, over about `width` pixels."""
    padded = Image.fromarray(np.pad(mask, 1).astype(np.uint8) * 255)
    depth = np.asarray(padded.filter(ImageFilter.GaussianBlur(width)), np.float32)[1:-1, 1:-1] / 255
    return np.clip(0.3 + 0.7 * depth, 0.65, 1).astype(np.float32)


def _base(rng: np.random.Generator, given: Floats | None) -> Floats:
    return colour(rng) if given is None else given


def _bounds(mask: Mask) -> tuple[slice, slice] | None:
    """Return the smallest box around what is set, or None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
