"""One look-alike of an Oxford pet: an animal before a cluttered ground, and its trimap."""

import math
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from grader.lookalikes.canvas import Canvas, Labels, Mask, Picture
from grader.lookalikes.figures import Animal, Breed, animal, coat
from grader.lookalikes.outlines import Limb, Placing, box, ellipse, limbs, polygon
from grader.lookalikes.textures import GROUNDS, Pattern, colour, grains, grass, leaves, plaster

PET, BACKGROUND, BORDER = 1, 2, 3
SIDES: Final = (80, 160)
"""Images are at least and at most so many pixels wide and high; like the real ones, no two sizes need be equal."""


def draw_pet(rng: np.random.Generator, breed: Breed) -> Picture:
    """Draw an animal of a breed with its trimap: 1 pet, 2 background, 3 the border between them."""
    shape = (int(rng.integers(SIDES[0], SIDES[1] + 1)), int(rng.integers(SIDES[0], SIDES[1] + 1)))
    canvas = Canvas(rng, shape, BACKGROUND)
    side = min(shape)
    _ground(canvas)
    for _ in range(rng.integers(2, 7)):
        _clutter(canvas, rng.uniform(0.08, 0.28) * side)
    _animal(canvas, breed)
    if rng.random() < 0.6:
        (_blades, _bars, _thing_in_front)[rng.integers(3)](canvas)
    return Picture(canvas.photograph(), _trimap(canvas.labels == PET, max(1, round(side / 45))))


def _size(canvas: Canvas) -> float:
    """Draw the size of a pattern's details: 4 to 8 pixels once an image is reduced to 64 x 64."""
    return canvas.rng.uniform(0.065, 0.125) * min(canvas.shape)


def _any_ground(rng: np.random.Generator) -> Pattern:
    return GROUNDS[int(rng.integers(len(GROUNDS)))]


def _ground(canvas: Canvas) -> None:
    """Paint a wall above a floor, bushes above a meadow, or one cloth all over."""
    rng, (height, width) = canvas.rng, canvas.shape
    kind = rng.integers(3)
    upper, lower = ((leaves, grass), (_any_ground(rng), _any_ground(rng)), (plaster, grains))[kind]
    everything = np.ones(canvas.shape, np.bool_)
    canvas.paint(everything, upper, _size(canvas), BACKGROUND)
    if rng.random() < 0.8:
        tilt = rng.normal(0, 0.05) * height
        horizon = rng.uniform(0.3, 0.75) * height
        corners = [(0, horizon - tilt), (width, horizon + tilt), (width, height), (0, height)]
        canvas.paint(polygon(canvas.shape, corners), lower, _size(canvas), BACKGROUND)


def _clutter(canvas: Canvas, radius: float) -> None:
    """Paint a thing that is no animal: a box, a ball or a bar; now and then it has an animal's pattern."""
    rng, (height, width) = canvas.rng, canvas.shape
    x, y = rng.uniform(0, width), rng.uniform(0.1, 1) * height
    pattern = coat(rng) if rng.random() < 0.2 else _any_ground(rng)
    kind = rng.integers(3)
    if kind == 0:
        mask = box(canvas.shape, x - radius, y - rng.uniform(0.5, 1.5) * radius, x + radius, y + radius)
    elif kind == 1:
        mask = ellipse(canvas.shape, (x, y), (radius, radius * rng.uniform(0.6, 1.2)))
    else:
        bar = Limb((-1, 0), (1, 0), 0.25, 0.25)
        mask = limbs(canvas.shape, [bar], Placing((x, y), radius, rng.uniform(0, math.pi)))
    canvas.paint(mask, pattern, _size(canvas), BACKGROUND, round_by=0.25 * radius if kind else 0)


def _animal(canvas: Canvas, breed: Breed) -> None:
    rng, (height, width) = canvas.rng, canvas.shape
    creature = animal(rng, breed)
    origin = rng.normal(0.5, 0.07) * width, rng.normal(0.52, 0.06) * height
    scale = rng.uniform(0.55, 0.95) * min(height, width)
    placing = Placing(origin, scale, rng.normal(0, 0.15), bool(rng.integers(2)))
    mask = limbs(canvas.shape, creature.body, placing)
    for ear in creature.ears:
        mask |= polygon(canvas.shape, ear, placing)
    pattern = breed.coats[int(rng.integers(len(breed.coats)))]
    canvas.paint(mask, pattern, _size(canvas), PET, round_by=0.06 * scale)
    _markings(canvas, creature, placing, mask)


def _markings(canvas: Canvas, creature: Animal, placing: Placing, body: Mask) -> None:
    """Paint what lies on the coat: dark inner ears, a light or dark muzzle, eyes and nose."""
    rng = canvas.rng
    dark = np.full(3, 0.12, np.float32)
    for ear in creature.ears:
        centre = np.mean(ear, axis=0)
        inner = [(float(x), float(y)) for x, y in 0.5 * (np.array(ear) + centre)]
        canvas.paint(polygon(canvas.shape, inner, placing), plaster, 8, PET, 0.5 * colour(rng))
    spot = 0.13 * creature.head_radius
    if rng.random() < 0.5:
        muzzle = Limb(creature.nose, creature.nose, 3 * spot, 3 * spot)
        canvas.paint(limbs(canvas.shape, [muzzle], placing) & body, plaster, 8, PET, contrast=0.05)
    points = [*creature.eyes, creature.nose]
    dots = [Limb(point, point, spot, spot) for point in points]
    canvas.paint(limbs(canvas.shape, dots, placing) & body, plaster, 8, PET, dark, contrast=0.03)


def _blades(canvas: Canvas) -> None:
    """Let high grass stand before the animal."""
    rng, (height, width) = canvas.rng, canvas.shape
    mask = np.zeros(canvas.shape, np.bool_)
    for _ in range(rng.integers(8, 30)):
        x, top = rng.uniform(0, width), height * (1 - rng.uniform(0.1, 0.4))
        tip, half = x + rng.normal(0, 0.05) * width, rng.uniform(0.008, 0.02) * width
        mask |= polygon(canvas.shape, [(x - half, height), (tip, top), (x + half, height)])
    canvas.paint(mask, grass, _size(canvas), BACKGROUND)


def _bars(canvas: Canvas) -> None:
    """Let a fence or a cage stand before the animal."""
    rng, (height, width) = canvas.rng, canvas.shape
    thick = rng.uniform(0.02, 0.04) * width
    step = rng.uniform(0.2, 0.4) * width
    mask = np.zeros(canvas.shape, np.bool_)
    for x in np.arange(rng.uniform(0, step), width, step):
        mask |= box(canvas.shape, x, 0, x + thick, height)
    if rng.random() < 0.5:
        y = rng.uniform(0.3, 0.9) * height
        mask |= box(canvas.shape, 0, y, width, y + thick)
    canvas.paint(mask, _any_ground(rng), _size(canvas), BACKGROUND)


def _thing_in_front(canvas: Canvas) -> None:
    _clutter(canvas, canvas.rng.uniform(0.12, 0.25) * min(canvas.shape))


def _trimap(pet: Mask, width: int) -> Labels:
    """Return labels in which a border, `width` pixels to either side of the animal's outline, lies between the two."""
    sheet = Image.fromarray(pet.astype(np.uint8) * 255)
    size = 2 * width + 1
    outer = np.asarray(sheet.filter(ImageFilter.MaxFilter(size))) > 0
    inner = np.asarray(sheet.filter(ImageFilter.MinFilter(size))) > 0
    return np.where(inner, PET, np.where(outer, BORDER, BACKGROUND)).astype(np.uint8)
