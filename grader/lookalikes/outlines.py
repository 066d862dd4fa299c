"""Masks of simple shapes, and the limbs that animals and people alike are made of."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from grader.lookalikes.canvas import Mask
from grader.lookalikes.textures import Shape

Point = tuple[float, float]


class Limb(NamedTuple):
    """A rounded bar from `start` to `end`, points (x, y), with a radius at each of them."""

    start: Point
    end: Point
    radius: float
    end_radius: float


class Placing(NamedTuple):
    """Where a figure stands: its own coordinates are mirrored, turned, scaled, and moved to `origin` in pixels."""

    origin: Point
    scale: float
    angle: float = 0.0
    mirrored: bool = False

    def apply(self, point: Point) -> Point:
        """Return the pixel (x, y) of a point in the figure's own coordinates."""
        x, y = -point[0] if self.mirrored else point[0], point[1]
        cos, sin = math.cos(self.angle) * self.scale, math.sin(self.angle) * self.scale
        return self.origin[0] + cos * x - sin * y, self.origin[1] + sin * x + cos * y


def limbs(shape: Shape, parts: Iterable[Limb], placing: Placing) -> Mask:
    """Return the mask (h, w) of some limbs."""
    sheet = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(sheet)
    for limb in parts:
        start, end = placing.apply(limb.start), placing.apply(limb.end)
        radii = limb.radius * placing.scale, limb.end_radius * placing.scale
        for (x, y), radius in zip((start, end), radii, strict=True):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        away = math.atan2(end[1] - start[1], end[0] - start[0]) + math.pi / 2
        dx, dy = math.cos(away), math.sin(away)
        corners = [(x + s * r * dx, y + s * r * dy) for (x, y), r, s in _sides(start, end, radii)]
        draw.polygon(corners, fill=1)
    return np.array(sheet)


def _sides(start: Point, end: Point, radii: tuple[float, float]) -> tuple[tuple[Point, float, int], ...]:
    return (start, radii[0], 1), (end, radii[1], 1), (end, radii[1], -1), (start, radii[0], -1)


def polygon(shape: Shape, points: Sequence[Point], placing: Placing | None = None) -> Mask:
    """Return the mask (h, w) of a polygon with corners (x, y), in pixels if no placing is given."""
    sheet = Image.new("1", (shape[1], shape[0]))
    placed = [placing.apply(point) if placing else point for point in points]
    ImageDraw.Draw(sheet).polygon(placed, fill=1)
    return np.array(sheet)


def ellipse(shape: Shape, centre: Point, radii: Point) -> Mask:
    """Return the mask (h, w) of an upright ellipse; centre (x, y) and radii (x, y) are in pixels."""
    (x, y), (across, down) = centre, radii
    sheet = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(sheet).ellipse((x - across, y - down, x + across, y + down), fill=1)
    return np.array(sheet)


def box(shape: Shape, left: float, top: float, right: float, bottom: float) -> Mask:
    """Return the mask (h, w) of an upright box in pixels; what lies outside of the image is cut."""
    mask = np.zeros(shape, np.bool_)
    rows = slice(max(0, round(top)), max(0, round(bottom)))
    mask[rows, max(0, round(left)) : max(0, round(right))] = True
    return mask
