"""Patterns and colours: what tells a figure from its ground in the look-alikes.

Every surface has its colour drawn from the same palette, so that colour says little about a pixel's class and a network
has to learn pattern and shape, which is what animals and people have in common. `COATS` clothe animals and people,
`GROUNDS` everything else.

A pattern is an array (h, w) of float32 with values of about -1 to 1; `size` is the length in pixels of what repeats in
it. An image is an array (h, w, 3) of float32 with values in 0..1.
"""

import colorsys
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Shape = tuple[int, int]
Pattern = Callable[[np.random.Generator, Shape, float], Floats]


def noise(rng: np.random.Generator, shape: Shape, cell: float, along: float | None = None) -> Floats:
    """Smooth noise about 0 whose hills are `cell` pixels high and `along` (else `cell`) pixels wide."""
    rows, columns = (max(2, math.ceil(n / c) + 2) for n, c in zip(shape, (cell, along or cell), strict=True))
    grid = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
    box = (0.5, 0.5, 0.5 + shape[1] / (along or cell), 0.5 + shape[0] / cell)
    return np.asarray(grid.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))


def soft(pattern: Floats) -> Floats:
    """Bring a pattern into -1 to 1, with edges as hard as its values are large."""
    result: Floats = np.tanh(pattern)
    return result


def strokes(rng: np.random.Generator, shape: Shape, size: float, angle: float) -> Floats:
    """Noise drawn out into strokes, `size` pixels thick and four times as long, at an angle in degrees."""
    side = math.ceil(math.hypot(*shape))
    turned = Image.fromarray(noise(rng, (side, side), size, 4 * size)).rotate(angle, Image.Resampling.BILINEAR)
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    return np.asarray(turned)[top : top + shape[0], left : left + shape[1]]


def waves(rng: np.random.Generator, shape: Shape, size: float, angle: float, bend: float) -> Floats:
    """Bands with a period of `size` pixels, at an angle in degrees, displaced by `bend` periods at most or so."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    across = rows * math.cos(math.radians(angle)) + columns * math.sin(math.radians(angle))
    phase = across / size + bend * noise(rng, shape, 2.5 * size) + rng.random(dtype=np.float32)
    bands: Floats = np.sin(2 * np.pi * phase, dtype=np.float32)
    return bands


def fur(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Short strokes along one direction."""
    return soft(1.4 * strokes(rng, shape, 0.3 * size, rng.uniform(-60, 60)))


def stripes(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Wavy bands with soft edges: a tabby, a zebra, a sailor's shirt."""
    return soft(2.5 * waves(rng, shape, size, rng.uniform(50, 130), 0.25))


def spots(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Dark islands on light, or light ones on dark."""
    sign = int(rng.choice([-1, 1]))
    return soft(4 * sign * (noise(rng, shape, 0.55 * size) - 0.45))


def patches(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Large areas of two colours, each with a little fur."""
    return 0.8 * soft(6 * noise(rng, shape, 2.5 * size)) + 0.3 * fur(rng, shape, size)


def grass(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Long upright strokes over uneven ground."""
    return strokes(rng, shape, 0.35 * size, rng.uniform(75, 105)) + 0.4 * noise(rng, shape, 3 * size)


def leaves(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Blobs of two sizes, as crowns of trees and hedges have."""
    return soft(0.8 * noise(rng, shape, 0.45 * size) + 0.7 * noise(rng, shape, 1.4 * size))


def bricks(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Courses of stones, each of its own brightness, shifted by half a stone from course to course."""
    height, width = max(3, round(0.6 * size)), max(5, round(1.3 * size))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    course = rows // height
    shifted = columns + (course % 2) * (width // 2) + int(rng.integers(width))
    stones = rng.uniform(-0.5, 0.5, (course.max() + 1, shifted.max() // width + 1)).astype(np.float32)
    joints = (rows % height == 0) | (shifted % width == 0)
    return np.where(joints, np.float32(rng.choice([-1, 1])), stones[course, shifted // width])


def planks(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Boards of their own brightness, lying or standing, with a fine grain along them."""
    upright = bool(rng.integers(2))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    width = max(4, round(size))
    board = (columns if upright else rows) // width
    tones = rng.uniform(-0.6, 0.6, board.max() + 1).astype(np.float32)
    grain = noise(rng, shape, 4 * size if upright else 1.5, 1.5 if upright else 4 * size)
    edges = (columns if upright else rows) % width == 0
    return np.where(edges, np.float32(-1), tones[board] + 0.2 * grain)


def grains(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Fine grains on faint clouds: asphalt, gravel, sand."""
    return 0.45 * rng.standard_normal(shape, dtype=np.float32) + 0.4 * noise(rng, shape, 4 * size)


def tiles(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Squares with joints between them, or a chessboard of two tones."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    width = max(5, round(1.2 * size))
    if rng.random() < 0.5:
        chess = ((rows // width + columns // width) % 2).astype(np.float32)
        plain: Floats = 1.2 * chess - 0.6
    else:
        joints = (rows % width == 0) | (columns % width == 0)
        plain = np.where(joints, np.float32(-1), np.float32(0.3))
    return plain + 0.2 * noise(rng, shape, 2)


def plaster(rng: np.random.Generator, shape: Shape, size: float) -> Floats:
    """Clouds without any edge: walls, sky, cloth."""
    return 0.7 * noise(rng, shape, 4 * size) + 0.1 * noise(rng, shape, 1.5)


COATS: Final[tuple[Pattern, ...]] = (fur, stripes, spots, patches)
GROUNDS: Final[tuple[Pattern, ...]] = (grass, leaves, bricks, planks, grains, tiles, plaster)


def colour(rng: np.random.Generator) -> Floats:
    """Draw a colour (3,), the same way for figures and for grounds: mostly earthy, sometimes anything."""
    hue = rng.normal(0.1, 0.07) % 1 if rng.random() < 0.6 else rng.random()
    return np.array(colorsys.hsv_to_rgb(hue, rng.beta(2, 4), rng.uniform(0.25, 0.9)), np.float32)


def dress(rng: np.random.Generator, pattern: Floats, base: Floats, contrast: float | None = None) -> Floats:
    """Colour a pattern (h, w): the image (h, w, 3) goes from `base` (3,) towards a lighter and a darker tone.

    `contrast` is the difference in brightness from the middle to either end; drawn if not given.
    """
    strength = rng.uniform(0.1, 0.22) if contrast is None else contrast
    tint = np.float32(strength) * (1 + rng.normal(0, 0.25, 3).astype(np.float32))
    image: Floats = base + pattern[..., None] * tint
    return image
