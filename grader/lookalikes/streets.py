"""One look-alike of a Cityscapes scene: a street in perspective, and its train ids.

A street is 128 x 64 pixels. Things stand on the ground at a depth: `near` is 0 at the horizon and 1 at the lower edge
of the image, and the size in pixels grows in proportion to it. They are painted from the back to the front.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from grader.lookalikes.canvas import Canvas, Mask, Picture
from grader.lookalikes.figures import coat, person
from grader.lookalikes.outlines import Limb, Placing, Point, box, ellipse, limbs, polygon
from grader.lookalikes.textures import (
    Floats,
    Pattern,
    bricks,
    colour,
    grains,
    grass,
    leaves,
    planks,
    plaster,
    stripes,
    tiles,
)

SHAPE: Final = (64, 128)
ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION, TERRAIN = range(10)
SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(10, 19)
IGNORED: Final = 255


class Street:
    """A canvas with its perspective."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.canvas = Canvas(rng, SHAPE, IGNORED)
        self.horizon = rng.uniform(0.3, 0.5) * SHAPE[0]
        self.vanishing = rng.uniform(0.35, 0.65) * SHAPE[1]
        self.half_road = rng.uniform(0.4, 0.75) * SHAPE[1]
        self.half_walk = self.half_road + rng.uniform(0.15, 0.45) * SHAPE[1]

    def ground(self, across: float, near: float) -> Point:
        """Return the pixel (x, y) of a place on the ground, `across` pixels from the middle at the lower edge."""
        return self.vanishing + across * near, self.horizon + (SHAPE[0] - self.horizon) * near

    def paint(
        self, mask: Mask, pattern: Pattern, label: int, base: Floats | None = None, *, round_by: float = 0
    ) -> None:
        """Paint with details of 5 to 9 pixels."""
        self.canvas.paint(mask, pattern, self.rng.uniform(5, 9), label, base, round_by=round_by)


def draw_street(rng: np.random.Generator) -> Picture:
    """Draw a street with its train ids, 0 to 18, and 255 for what belongs to no class, such as one's own car."""
    street = Street(rng)
    _sky_and_ground(street)
    for side in (-1, 1):
        _houses(street, side)
        _roadside(street, side)
    things = rng.choice(len(THINGS), size=int(rng.integers(7, 16)), p=THING_SHARES)
    depths = np.sort(rng.uniform(0.08, 1, len(things)) ** 1.3)
    for thing, near in zip(things, depths, strict=True):
        THINGS[thing][0](street, float(near))
    _own_car(street)
    return Picture(street.canvas.photograph(), street.canvas.labels)


def _sky_and_ground(street: Street) -> None:
    rng, (height, width) = street.rng, SHAPE
    street.paint(box(SHAPE, 0, 0, width, height), plaster, SKY, colour(rng) * 0.4 + 0.55)
    street.paint(box(SHAPE, 0, street.horizon, width, height), grass, TERRAIN)
    for half, pattern, label in ((street.half_walk, tiles, SIDEWALK), (street.half_road, grains, ROAD)):
        corners = [(street.vanishing, street.horizon), street.ground(-half, 1.3), street.ground(half, 1.3)]
        street.paint(polygon(SHAPE, corners), pattern, label)
    if rng.random() < 0.6:
        _lane_marks(street)


def _lane_marks(street: Street) -> None:
    white = np.full(3, 0.85, np.float32)
    for across in street.rng.uniform(-0.7, 0.7, 2) * street.half_road:
        for near in np.arange(0.1, 1, 0.22):
            ends = (street.ground(across, near), street.ground(across + 5, near))
            far_ends = (street.ground(across + 5, near + 0.1), street.ground(across, near + 0.1))
            street.paint(polygon(SHAPE, [*ends, *far_ends]), grains, ROAD, white)


def _houses(street: Street, side: int) -> None:
    """Paint what closes the view on one side: houses with windows, or trees, out to the edge of the image."""
    rng = street.rng
    far = 0.12
    while far < 1:
        near = far + rng.uniform(0.12, 0.4)
        (x0, y0), (x1, y1) = (street.ground(side * street.half_walk * 1.1, depth) for depth in (far, near))
        if rng.random() < 0.65:
            _house(street, (x0, y0), (x1, y1), rng.uniform(40, 120), far)
        elif rng.random() < 0.8:
            _trees(street, (x0, y0), (x1, y1), rng.uniform(40, 90) * near)
        far = near


def _house(street: Street, back: Point, front: Point, height: float, far: float) -> None:
    rng = street.rng
    near = far * (front[1] - street.horizon) / (back[1] - street.horizon)
    tops = (front[0], front[1] - height * near), (back[0], back[1] - height * far)
    facade = polygon(SHAPE, [back, front, *tops])
    pattern = (bricks, plaster, planks)[rng.integers(3)]
    street.paint(facade, pattern, BUILDING)
    rows, columns = np.indices(SHAPE)
    across, down = int(rng.integers(7, 12)), int(rng.integers(7, 12))
    windows = facade & (columns % across < 0.45 * across) & (rows % down < 0.5 * down)
    street.paint(windows, plaster, BUILDING, colour(rng) * 0.6)


def _trees(street: Street, back: Point, front: Point, height: float) -> None:
    rng, crown = street.rng, np.zeros(SHAPE, np.bool_)
    for share in rng.uniform(0, 1, 6):
        x, y = (back[k] + share * (front[k] - back[k]) for k in (0, 1))
        radius = rng.uniform(0.25, 0.45) * height
        crown |= ellipse(SHAPE, (x, y - rng.uniform(0.4, 0.8) * height), (radius, radius))
        crown |= box(SHAPE, x - 1, y - 0.5 * height, x + 1, y)
    street.paint(crown, leaves, VEGETATION, round_by=3)


def _roadside(street: Street, side: int) -> None:
    """Paint a wall, a fence or a hedge along the sidewalk, and now and then a strip of terrain."""
    rng = street.rng
    far, near = np.sort(rng.uniform(0.1, 1, 2))
    (x0, y0), (x1, y1) = (street.ground(side * street.half_walk, depth) for depth in (far, near))
    height = rng.uniform(8, 25)
    upright = polygon(SHAPE, [(x0, y0), (x1, y1), (x1, y1 - height * near), (x0, y0 - height * far)])
    kind = rng.random()
    if kind < 0.18:
        street.paint(upright, bricks, WALL)
    elif kind < 0.4:
        columns = np.indices(SHAPE)[1]
        street.paint(upright & (columns % 4 < 3), planks, FENCE)
    elif kind < 0.6:
        street.paint(upright, leaves, VEGETATION, round_by=2)


def _place(street: Street, near: float, *, on_road: bool) -> Point:
    """Draw a place on the ground at a depth, on the road or beside it."""
    rng = street.rng
    if on_road:
        return street.ground(rng.uniform(-0.85, 0.85) * street.half_road, near)
    side = rng.choice([-1, 1])
    return street.ground(side * rng.uniform(street.half_road, street.half_walk), near)


def _people(street: Street, near: float) -> None:
    for _ in range(street.rng.integers(1, 3)):
        place = _place(street, near, on_road=street.rng.random() < 0.3)
        _someone(street, place, near * street.rng.uniform(45, 62), PERSON)


def _someone(street: Street, feet: Point, height: float, label: int) -> None:
    """Paint a person or a rider with clothes of two patterns."""
    rng = street.rng
    body = person(rng, seated=label == RIDER)
    placing = Placing(feet, height, rng.normal(0, 0.05), bool(rng.integers(2)))
    for parts in (body.legs, body.torso):
        street.paint(limbs(SHAPE, parts, placing), coat(rng), label, round_by=0.05 * height)
    street.paint(limbs(SHAPE, body.head, placing), plaster, label, round_by=0.03 * height)


def _cyclist(street: Street, near: float) -> None:
    """Paint a bicycle or a motorcycle, in two of three cases with its rider."""
    rng, size = street.rng, near * 26
    x, y = _place(street, near, on_road=rng.random() < 0.6)
    motor = rng.random() < 0.3
    frame = np.zeros(SHAPE, np.bool_)
    for wheel in (x - 0.5 * size, x + 0.5 * size):
        tyre = ellipse(SHAPE, (wheel, y - 0.35 * size), (0.36 * size, 0.36 * size))
        if not motor:
            tyre &= ~ellipse(SHAPE, (wheel, y - 0.35 * size), (0.22 * size, 0.22 * size))
        frame |= tyre
    bars = [Limb((-0.5, -0.35), (0, -0.6), 0.07, 0.07), Limb((0, -0.6), (0.4, -0.8), 0.07, 0.07)]
    if motor:
        bars = [Limb((-0.4, -0.55), (0.35, -0.6), 0.2, 0.22)]
    frame |= limbs(SHAPE, bars, Placing((x, y), size))
    street.paint(frame, plaster, MOTORCYCLE if motor else BICYCLE, colour(rng) * 0.5)
    if rng.random() < 0.67:
        _someone(street, (x, y - 0.25 * size), 1.9 * size, RIDER)


def _car(street: Street, near: float) -> None:
    """Paint a car from behind or from its side: a body, a cabin with its window, wheels."""
    rng = street.rng
    x, y = _place(street, near, on_road=rng.random() < 0.75)
    high, paint = 24 * near, colour(rng)
    half = high * rng.choice([0.75, 1.3])
    cabin = [(x - 0.8 * half, y - 0.5 * high), (x - 0.55 * half, y - high), (x + 0.55 * half, y - high)]
    cabin.append((x + 0.8 * half, y - 0.5 * high))
    street.paint(polygon(SHAPE, cabin), plaster, CAR, paint)
    middle = (x, y - 0.7 * high)
    glass = [(middle[0] + 0.75 * (u - middle[0]), middle[1] + 0.7 * (v - middle[1])) for u, v in cabin]
    street.paint(polygon(SHAPE, glass), plaster, CAR, colour(rng) * 0.4)
    body = Limb((x - 0.75 * half, y - 0.38 * high), (x + 0.75 * half, y - 0.38 * high), 0.24 * high, 0.24 * high)
    _wheels(street, (x, y), half, 0.16 * high, CAR)
    street.paint(limbs(SHAPE, [body], Placing((0, 0), 1)), plaster, CAR, paint, round_by=0.1 * high)


def _wheels(street: Street, foot: Point, half: float, radius: float, label: int) -> None:
    black = np.full(3, 0.1, np.float32)
    for x in (foot[0] - 0.6 * half, foot[0] + 0.6 * half):
        street.paint(ellipse(SHAPE, (x, foot[1] - radius), (radius, radius)), plaster, label, black)


def _long_vehicle(street: Street, near: float) -> None:
    """Paint a truck (a cab and a loading space), a bus (one row of windows) or a train (long, on the side)."""
    rng = street.rng
    label = int(rng.choice([TRUCK, BUS, TRAIN], p=(0.45, 0.37, 0.18)))
    x, y = _place(street, near, on_road=label != TRAIN)
    high, paint = near * rng.uniform(45, 55), colour(rng)
    half = high * {TRUCK: rng.uniform(0.5, 0.9), BUS: rng.uniform(0.5, 1.2), TRAIN: rng.uniform(1.5, 2.5)}[label]
    _wheels(street, (x, y), half, 0.12 * high, label)
    top, floor = y - high, y - 0.12 * high
    if label == TRUCK:
        street.paint(box(SHAPE, x - half, top, x + 0.4 * half, floor), planks, label, paint)
        street.paint(box(SHAPE, x + 0.45 * half, top + 0.25 * high, x + half, floor), plaster, label)
        return
    street.paint(box(SHAPE, x - half, top, x + half, floor), plaster, label, paint)
    columns = np.indices(SHAPE)[1]
    step = max(3, round(0.3 * high))
    row = box(SHAPE, x - 0.95 * half, top + 0.15 * high, x + 0.95 * half, top + 0.5 * high)
    street.paint(row & (columns % step < 0.75 * step), plaster, label, colour(rng) * 0.4)
    if label == TRAIN:
        street.paint(box(SHAPE, x - half, floor - 0.2 * high, x + half, floor), stripes, label)


def _post(street: Street, near: float) -> None:
    """Paint a pole; most carry a sign or a traffic light."""
    rng = street.rng
    x, y = _place(street, near, on_road=False)
    high, half = near * rng.uniform(50, 80), max(0.6, 1.6 * near)
    street.paint(box(SHAPE, x - half, y - high, x + half, y), plaster, POLE, colour(rng) * 0.6)
    kind, size = rng.random(), max(2.0, near * 8)
    if kind < 0.4:
        plate = ellipse if rng.random() < 0.5 else _board
        street.paint(plate(SHAPE, (x, y - high), (size, size)), plaster, SIGN)
        street.paint(plate(SHAPE, (x, y - high), (0.5 * size, 0.4 * size)), plaster, SIGN)
    elif kind < 0.75:
        street.paint(
            _board(SHAPE, (x, y - high), (0.6 * size, 1.3 * size)), plaster, LIGHT, np.full(3, 0.15, np.float32)
        )
        lamp = (x, y - high + float(rng.choice([-0.6, 0, 0.6])) * size)
        bright = np.array(((0.9, 0.1, 0.1), (0.1, 0.9, 0.3))[rng.integers(2)], np.float32)
        street.paint(ellipse(SHAPE, lamp, (0.35 * size, 0.35 * size)), plaster, LIGHT, bright)


def _board(shape: tuple[int, int], centre: Point, radii: Point) -> Mask:
    return box(shape, centre[0] - radii[0], centre[1] - radii[1], centre[0] + radii[0], centre[1] + radii[1])


def _lonely_tree(street: Street, near: float) -> None:
    x, y = _place(street, near, on_road=False)
    _trees(street, (x - 3, y), (x + 3, y), 70 * near)


def _object(street: Street, near: float) -> None:
    """Paint a thing of no class: a bin, a bench, a bag."""
    x, y = _place(street, near, on_road=False)
    street.paint(box(SHAPE, x - 8 * near, y - 16 * near, x + 8 * near, y), tiles, IGNORED)


def _own_car(street: Street) -> None:
    """Cover the lower edge with the bonnet of the car that carries the camera."""
    rng, (height, width) = street.rng, SHAPE
    if rng.random() < 0.7:
        rise = rng.uniform(3, 8)
        street.paint(ellipse(SHAPE, (width / 2, height + 4), (0.55 * width, rise + 4)), plaster, IGNORED)


Thing = Callable[[Street, float], None]
THINGS: Final[tuple[tuple[Thing, float], ...]] = (
    (_people, 0.27),
    (_car, 0.25),
    (_post, 0.2),
    (_cyclist, 0.13),
    (_long_vehicle, 0.07),
    (_lonely_tree, 0.05),
    (_object, 0.03),
)
THING_SHARES: Final = tuple(share for _, share in THINGS)
